package config

import "reflect"

// Diff returns the keys whose values differ between two configurations, in the
// order of Keys. What a key's file holds counts as its value.
func Diff(a, b *Config) (keys []Key) {
	for _, k := range Keys() {
		same := reflect.DeepEqual(k.field(a), k.field(b))
		if k.into != nil && same {
			same = *k.into(a) == *k.into(b)
		}
		if !same {
			keys = append(keys, k)
		}
	}
	return keys
}
