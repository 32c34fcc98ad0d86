package config

// nearest is the index of the candidate with the least edit distance to name,
// the first of several; -1 when none is near enough to be what was meant.
func nearest(name string, candidates []string) int {
	best, least := -1, max(2, len(name)/3)+1
	for i, c := range candidates {
		if len(name) > 2*len(c)+2 {
			continue // hostile lengths are not worth the square
		}
		if d := distance(name, c); d < least {
			best, least = i, d
		}
	}
	return best
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
