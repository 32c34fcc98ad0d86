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

// distance is Levenshtein's, in bytes, but two neighbours that changed places
// count as one.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
