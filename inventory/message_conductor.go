package inventory

var conductorMessages = map[string]string{}
