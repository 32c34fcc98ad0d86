package config

import (
	"reflect"
	"slices"
)

// Diff returns the keys whose values differ between two configurations, in the
// order of Keys. What a key's file holds counts as its value, and not as that of
// the key beside it; without a file it is the key beside it that has changed.
func Diff(a, b *Config) (keys []Key) {
	for _, k := range Keys() {
		same := reflect.DeepEqual(k.field(a), k.field(b))
		if path, _ := k.field(b).(*string); k.into != nil && same && *path != "" {
			same = *k.into(a) == *k.into(b)
		}
		if !same {
			keys = append(keys, k)
		}
	}
	return slices.DeleteFunc(keys, func(k Key) bool {
		return slices.ContainsFunc(keys, func(f Key) bool { return f.into != nil && f.String() == k.String()+"_file" })
	})
}
