package inventory

var bootMessages = map[string]string{}
