package inventory

var findingMessages = map[string]string{}
