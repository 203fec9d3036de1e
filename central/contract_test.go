package central_test

import (
	"io/fs"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/api/openapi"
)

// documents are the contracts, by file name.
func documents(t testing.TB) map[string]*openapi3.T {
	t.Helper()
	names, err := fs.Glob(openapi.Files(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	docs := make(map[string]*openapi3.T)
	for _, name := range names {
		text, err := fs.ReadFile(openapi.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		if docs[name], err = openapi3.NewLoader().LoadFromData(text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return docs
}

func TestContractsAreSound(t *testing.T) {
	seen := make(map[string]string)
	for name, doc := range documents(t) {
		if err := doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				where := name + " " + method + " " + path
				if op.OperationID == "" || len(op.Tags) != 1 || op.Summary == "" || op.Responses.Default() == nil {
					t.Errorf("%s: an operation has an operationId, one tag, a summary and a default response", where)
				}
				if other := seen[op.OperationID]; other != "" {
					t.Errorf("%s and %s have one operationId", where, other)
				}
				seen[op.OperationID] = where
			}
		}
	}
}
