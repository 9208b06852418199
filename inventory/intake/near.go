package intake

import "strings"

// nearest returns the known word closest to the given one, or "" when none is
// close enough to be a likely typing mistake.
func nearest(word string, known []string) string {
	best, bestDistance := "", 3
	if len(word) <= 4 {
		bestDistance = 2
	}
	if len(word) > 64 { // nobody mistypes that much; keeps hostile input cheap
		return ""
	}
	lower := strings.ToLower(word)
	for _, k := range known {
		if d := distance(lower, strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// hint is the fix sentence for an unknown word.
func hint(word string, known []string) string {
	if n := nearest(word, known); n != "" {
		return "write " + n + " instead of " + word
	}
	return "use one of " + strings.Join(known, ", ")
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	previous := make([]int, len(b)+1)
	current := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
		}
		previous, current = current, previous
	}
	return previous[len(b)]
}
