package inventory

var firmwareMessages = map[string]string{}
