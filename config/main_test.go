package config

// The machine's own settings, where it has any, are not the tests'.
func init() { systemPath = "/nowhere/zonkeymwi.toml" }
