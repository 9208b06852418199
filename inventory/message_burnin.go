package inventory

var burninMessages = map[string]string{}
