package openapi

import "embed"

//go:embed *.yaml
var files embed.FS

// Files are the documents: gate.yaml, tokens.yaml, admin.yaml and edge.yaml.
func Files() embed.FS { return files }
