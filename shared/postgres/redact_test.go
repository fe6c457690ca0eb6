package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestRecordsShowNoContent formats and logs each type in every way and place.
func TestRecordsShowNoContent(t *testing.T) {
	resource := postgres.Resource{Type: "zqx", Readers: []string{"zqx"}, Meta: "zqx", Content: "zqx"}
	testNoContent(t, resource, "[resource, 6 bytes]")
	testNoContent(t, postgres.Settlement{
		Org: "zqx", Client: "zqx", RequestID: "zqx", KeyKind: "zqx", State: "zqx", Readers: []string{"zqx"}, BundleType: "zqx",
		Patient: "zqx", Service: "zqx", Priority: "zqx", Authored: "zqx", Outcome: "zqx", Resources: []postgres.Resource{resource},
		Content: []byte("zqx"), Encoding: "zqx",
	}, "[settlement, 1 resources, 3 bytes]")
	testNoContent(t, postgres.Version{ID: "zqx", Type: "zqx", Meta: "zqx", Content: "zqx"}, "[version, 6 bytes]")
	testNoContent(t, postgres.Submission{
		Org: "zqx", Digest: referral.Digest([]byte(strings.Repeat("z", 16))), State: "zqx", Readers: []string{"zqx"}, BundleType: "zqx",
		Patient: "zqx", Service: "zqx", Priority: "zqx", Authored: "zqx", Resources: []string{"zqx"}, Outcome: "zqx",
	}, "[submission, 1 resources, 3 bytes]")
	testNoContent(t, postgres.Original{BundleType: "zqx", State: "zqx", Content: []byte("zqx"), Encoding: "zqx"}, "[original, 3 bytes]")
}

func testNoContent[T any](t *testing.T, value T, want string) {
	t.Helper()
	if got := fmt.Sprintf("%v %v %+v", value, &value, []T{value}); got != want+" "+want+" ["+want+"]" {
		t.Errorf("got %s, want %s", got, want)
	}
	type exported struct {
		Value   T
		Pointer *T
	}
	for name, shown := range map[string]any{
		"value": value, "pointer": &value, "slice": []T{value}, "pointers": []*T{&value}, "map": map[string]T{"a": value},
		"map of slices": map[string][]T{"a": {value}}, "struct": exported{value, &value}, "pointer to a struct": &exported{value, &value},
	} {
		var out bytes.Buffer
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, format+"\n", shown)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("", "shown", shown, "group", slog.GroupValue(slog.Any("shown", shown)))
		slog.New(slog.NewTextHandler(&out, nil)).Info("", "shown", shown, "group", slog.GroupValue(slog.Any("shown", shown)))
		if content, err := json.Marshal(shown); err == nil {
			out.Write(content)
		}
		for line := range strings.Lines(out.String()) {
			for _, canary := range []string{"zqx", "7a7178", "enf4", "122 113", "122, 113", "122 122", "122, 122"} {
				if strings.Contains(strings.ToLower(line), canary) {
					t.Errorf("%v, %s shows %q: %.300s", reflect.TypeFor[T](), name, canary, line)
				}
			}
		}
	}
}
