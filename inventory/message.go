package inventory

import (
	"strconv"
	"strings"
)

// Sentence turns a message id and its arguments into the sentence a person
// reads: verb first, at most 20 words. An unknown id prints itself with its
// arguments, so nothing is ever hidden.
func Sentence(id string, args []string) string {
	for _, catalogue := range catalogues {
		if text, ok := catalogue[id]; ok {
			for i, a := range args {
				text = strings.ReplaceAll(text, "{"+strconv.Itoa(i)+"}", a)
			}
			return text
		}
	}
	if len(args) == 0 {
		return id
	}
	return id + ": " + strings.Join(args, ", ")
}

// HasSentence reports whether a message id has a sentence.
func HasSentence(id string) bool {
	for _, catalogue := range catalogues {
		if _, ok := catalogue[id]; ok {
			return true
		}
	}
	return false
}

// catalogues are the message lists of the rooms, one file each: message id →
// text with {n} for arguments. They are never changed at run time.
var catalogues = []map[string]string{
	findingMessages, gateMessages, firmwareMessages, burninMessages, bootMessages, conductorMessages,
}
