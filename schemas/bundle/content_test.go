package bundle_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
)

func TestAttachments(t *testing.T) {
	const hello = `"contentType":"text/plain","data":"aGVsbG8="`
	for _, tt := range []ruleTest{
		{"good", `{"resourceType":"DocumentReference","content":[{"attachment":{` + hello + `,"size":5}}]}`, nil},
		{"size", `{"resourceType":"DocumentReference","content":[{"attachment":{` + hello + `,"size":6}}]}`,
			[]string{"error invariant DocumentReference.content[0].attachment.size attachment-size"}},
		{"hash", `{"resourceType":"Patient","photo":[{"contentType":"image/png","url":"Binary/1"},{` + hello + `,"hash":"aGVsbG8="}]}`,
			[]string{"error invariant Patient.photo[1].hash attachment-hash"}},
		{"type in a choice", `{"resourceType":"Communication","payload":[{"contentAttachment":{"contentType":"text/html","url":"https://a.example"}}]}`,
			[]string{"error not-supported Communication.payload[0].content.contentType attachment-type"}},
		{"type in an extension", `{"resourceType":"Patient","extension":[{"url":"urn:x","valueAttachment":{"contentType":"application/x-msdownload"}}]}`,
			[]string{"error not-supported Patient.extension[0].value.contentType attachment-type"}},
		{"base64 of a Binary", `{"resourceType":"Binary","contentType":"text/plain","data":"aGVsbG8"}`,
			[]string{"error value Binary.data attachment-base64"}},
		{"contained Binary", `{"resourceType":"Patient","contained":[{"resourceType":"Binary","contentType":"text/html"}]}`,
			[]string{"error not-supported Patient.contained[0].contentType attachment-type"}},
		{"type that says nothing", `{"resourceType":"Media","content":{"contentType":"application/octet-stream"}}`,
			[]string{"warning value Media.content.contentType attachment-type"}},
		{"content that is none", `{"resourceType":"DocumentManifest","content":[{"reference":"DocumentReference/1"}]}`, nil},
	} {
		tt.run(t)
	}
}

func TestNarratives(t *testing.T) {
	div := func(content string) string {
		return `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + content + `</div>"}`
	}
	for _, tt := range []ruleTest{
		{"good", `{"resourceType":"Patient",` + div("<p>Synthetic</p>") + `}`, nil},
		{"empty", `{"resourceType":"Patient",` + div("") + `}`, []string{"error invariant Patient.text.div txt-2"}},
		{"script in a section", `{"resourceType":"Composition","section":[{` + div("<script>x()</script>") + `}]}`,
			[]string{"error invalid Composition.section[0].text.div txt-1"}},
		{"picture from elsewhere", `{"resourceType":"Patient",` + div("<img src='https://a.example/p.png' alt='x'/>") + `}`,
			[]string{"error security Patient.text.div narrative"}},
		{"text that is a string", `{"resourceType":"Observation","code":{"text":"<script>"}}`, nil},
	} {
		tt.run(t)
	}
}

func TestSecurityLabels(t *testing.T) {
	of := func(system, code string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","meta":{"security":[{"system":%q,"code":%q}]}}`, system, code)
	}
	const confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	for _, tt := range []ruleTest{
		{"restricted", of(confidentiality, "R"), nil},
		{"very restricted", of(confidentiality, "V"), []string{"error security Patient.meta.security[0] security-label"}},
		{"another system", of("http://a.example", "V"), nil},
	} {
		tt.run(t)
	}
}

func TestIdentifiers(t *testing.T) {
	const (
		ihi  = "http://ns.electronichealth.net.au/id/hi/ihi/1.0"
		hpio = "http://ns.electronichealth.net.au/id/hi/hpio/1.0"
		abn  = "http://hl7.org.au/id/abn"
	)
	of := func(typ, system, value string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","identifier":[{%s"system":%q,"value":%q}]}`, typ, system, value)
	}
	const typed = `"type":{"text":"IHI"},`
	is := func(severity, rule string) []string {
		return []string{severity + " value Patient.identifier[0].value " + rule}
	}
	for _, tt := range []ruleTest{
		{"good", of(typed, ihi, "8003608833357361"), nil},
		{"check digit", of(typed, ihi, "8003608833357362"), is("error", "inv-ihi-value-2")},
		{"another number's prefix", of(typed, ihi, "8003619900015717"), is("error", "inv-ihi-value-1")},
		{"in no guide", of(typed, abn, "81199926755"), is("warning", "identifier")},
		{"no type", of("", ihi, "8003608833357361"), []string{"warning required Patient.identifier[0].type identifier-type"}},
		{"no type, where the system tells", of("", hpio, "8003621566684455"), nil},
		{"unknown system", of("", "http://a.example", "x"), nil},
		{"logical reference without a type", `{"resourceType":"Condition","subject":{"identifier":{"system":"` + ihi + `","value":"8003608833357361"}}}`, nil},
		{"logical reference with a wrong digit", `{"resourceType":"Condition","subject":{"identifier":{"system":"` + hpio + `","value":"8003621566684456"}}}`,
			[]string{"error value Condition.subject.identifier.value inv-hpio-2"}},
	} {
		tt.run(t)
	}
}

// TestIdentifierRulesAreAUBases: the definition that an issue names has a rule of that key.
func TestIdentifierRulesAreAUBases(t *testing.T) {
	for system, value := range map[string]string{
		"hi/ihi/1.0": "1", "hi/hpii/1.0": "1", "hi/hpio/1.0": "1", "hi/csp/1.0": "1", "pcehr/paio/1.0": "1", "pcehr/paid/1.0": "1", "pcehr/caei/1.0": "1",
		"npio": "1", "ahpra-registration-number": "1", "abn": "1", "acn": "1", "arbn": "1", "dpid": "1",
	} {
		uri := "http://hl7.org.au/id/" + system
		if strings.Contains(system, "/") {
			uri = "http://ns.electronichealth.net.au/id/" + system
		}
		document := fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"type":{"text":"x"},"system":%q,"value":%q}]}`, uri, value)
		issues := bundle.Check(parse(t, document), options)
		if len(issues) != 1 {
			t.Errorf("%s: got %v, want one issue", system, lines(issues))
			continue
		}
		profile := strings.TrimPrefix(issues[0].Source, "http://hl7.org.au/fhir/StructureDefinition/")
		table, err := os.ReadFile(filepath.Join("..", "profiles", profile+".profile.json"))
		if err != nil || !strings.Contains(string(table), `"`+issues[0].Rule+`"`) {
			t.Errorf("%s: %s is not in %s (%v)", system, issues[0].Rule, issues[0].Source, err)
		}
	}
}

func TestImplicitRules(t *testing.T) {
	ruleTest{"entry", of("collection", `{"resourceType":"Patient","implicitRules":"https://a.example/rules"}`),
		[]string{"error not-supported Bundle.entry[0].resource.implicitRules implicit-rules"}}.run(t)
}

func TestURLSchemes(t *testing.T) {
	for _, tt := range []ruleTest{
		{"attachment", `{"resourceType":"Media","content":{"url":"file:///etc/passwd"}}`, []string{"error value Media.content.url url-scheme"}},
		{"endpoint", `{"resourceType":"Endpoint","address":"gopher://127.0.0.1"}`, []string{"error value Endpoint.address url-scheme"}},
		{"extension", `{"resourceType":"Patient","extension":[{"url":"urn:x","valueUri":"file:x"}]}`, []string{"error value Patient.extension[0].value url-scheme"}},
		{"script", `{"resourceType":"Media","content":{"url":"JavaScript:alert(1)"}}`, []string{"error security Media.content.url url-scheme"}},
		{"document in disguise", `{"resourceType":"Patient","extension":[{"url":"urn:x","valueUrl":"data:text/html,x"}]}`, []string{"error security Patient.extension[0].value url-scheme"}},
		{"internal, never fetched", `{"resourceType":"Endpoint","address":"http://169.254.169.254/latest"}`, nil},
		{"words", `{"resourceType":"Condition","note":[{"text":"file:///x was lost"}],"code":{"text":"file:x"}}`, nil},
	} {
		tt.run(t)
	}
}

// TestNamesAreTheSchemas holds the names that this package knows types by against the schemas: where an Attachment
// and a Reference may stand, and which properties name a choice and its type.
func TestNamesAreTheSchemas(t *testing.T) {
	files, err := filepath.Glob("../r4/*.schema.json")
	if err != nil || len(files) < 100 {
		t.Fatalf("got %d schemas, %v; want 100 at least", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var schema any
		if err := json.Unmarshal(data, &schema); err != nil {
			t.Fatal(err)
		}
		resourceType := strings.TrimSuffix(filepath.Base(file), ".schema.json")
		properties(schema, func(name, typ, choice string) {
			if strings.HasPrefix(name, "_") || resourceType == "datatypes" && choice == "" && slices.Contains([]string{"contentReference", "dateRange"}, name) {
				return
			}
			want := name
			if choice != "" {
				want = choice
			}
			if got := bundle.ElementName(resourceType, name); got != want {
				t.Errorf("%s.%s: got element %s, want %s", resourceType, name, got, want)
			}
			if typ == "Attachment" {
				document := fmt.Sprintf(`{"resourceType":%q,%q:{"contentType":"text/html"}}`, resourceType, name)
				if got := bundle.Check(parse(t, document), options); len(got) != 1 {
					t.Errorf("%s.%s: got %v, want the Attachment checked", resourceType, name, lines(got))
				}
			}
		})
	}
}

// properties calls visit for each property of a schema and what is nested in it.
func properties(schema any, visit func(name, typ, choice string)) {
	switch s := schema.(type) {
	case []any:
		for _, item := range s {
			properties(item, visit)
		}
	case map[string]any:
		members, _ := s["properties"].(map[string]any)
		for name, member := range members {
			m, _ := member.(map[string]any)
			ref, _ := m["$ref"].(string)
			if items, ok := m["items"].(map[string]any); ok {
				ref, _ = items["$ref"].(string)
			}
			choice, _ := m["choice"].(string)
			visit(name, ref[strings.LastIndexByte(ref, '/')+1:], choice)
		}
		for _, member := range s {
			properties(member, visit)
		}
	}
}

// TestNothingIsRepeated: neither values nor names that FHIR does not have are in an issue.
func TestNothingIsRepeated(t *testing.T) {
	const canary = "CANARY"
	resource := `{"resourceType":"` + canary + `","` + canary + `":{"reference":"` + canary + `"},"subject":{"reference":"Patient/` + canary + `"},` +
		`"identifier":[{"system":"http://hl7.org.au/id/abn","value":"` + canary + `"}],"implicitRules":"` + canary + `","id":"` + canary + `"}`
	for _, document := range []string{resource, of("transaction", resource, request(to("Patient/1"))), of("message", resource), whole("document", `{"fullUrl":"`+canary+`"}`)} {
		issues := bundle.Check(parse(t, document), options)
		if len(issues) == 0 {
			t.Error("got no issues")
		}
		for _, issue := range issues {
			if strings.Contains(fmt.Sprint(issue), canary) {
				t.Errorf("got %+v, with something of the document", issue)
			}
		}
	}
}

// TestCheckIsLinear gives Check what a walk could be slow on: many contained resources and references to them, many
// Bundles in Bundles, many patients.
func TestCheckIsLinear(t *testing.T) {
	const n = 20_000
	var contained, references strings.Builder
	for i := range n {
		fmt.Fprintf(&contained, `,{"resourceType":"Patient","id":"p%d"}`, i)
		fmt.Fprintf(&references, `,{"reference":"#p%d"},{"reference":"#none"}`, n-1)
	}
	document := parse(t, of("collection", request(to("#p0"), `"contained":[`+contained.String()[1:]+`]`, `"performer":[`+references.String()[1:]+`]`)))
	if got := len(bundle.Check(document, options)); got != 500 {
		t.Errorf("got %d issues, want the first 500", got)
	}
	nested := `{"resourceType":"Patient"}`
	for range 18 {
		nested = of("collection", nested, about("Condition", "subject", uuid(0)))
	}
	if got := lines(bundle.Check(parse(t, nested), options)); got != nil {
		t.Errorf("nested: got %v, want nothing", got)
	}
}

// BenchmarkCheck measures a clinical referral of 18 entries, 35 KB, and a letter of 3 MB.
func BenchmarkCheck(b *testing.B) {
	data, err := os.ReadFile("../../testdata/referrals/cardiology-referral.json")
	if err != nil {
		b.Fatal(err)
	}
	letter := `{"resourceType":"Binary","contentType":"application/pdf","data":"` +
		base64.StdEncoding.EncodeToString(append([]byte("%PDF-1.7\n"), make([]byte, 3_000_000)...)) + `"}`
	for name, source := range map[string]string{"referral": string(data), "letter": letter} {
		b.Run(name, func(b *testing.B) {
			document := parse(b, source)
			b.ReportAllocs()
			for b.Loop() {
				bundle.Check(document, bundle.Options{Base: options.Base})
			}
		})
	}
}

// FuzzCheck holds that any document that passes the gate is checked without a panic, the same way twice, and that
// every issue is complete.
func FuzzCheck(f *testing.F) {
	// Small documents: of large ones the fuzzer spends its time on making them smaller.
	f.Add([]byte(of("transaction", `{"resourceType":"Patient","id":"p","birthDate":"2999"}`, request(to(uuid(0)), `"requester":`+known("1")),
		`{"resourceType":"Task","for":{"reference":"Patient/p/_history/1"},"groupIdentifier":{"system":"urn:x","value":"1"}}`)))
	f.Add([]byte(of("document", `{"resourceType":"Composition","subject":{"reference":"#p","type":"Patient"},"contained":[{"resourceType":"Patient","id":"p"}]}`)))
	f.Add([]byte(of("collection", `{"resourceType":"Binary","contentType":"text/plain","data":"aGVsbG8="}`, of("message", about("MessageHeader", "focus", "x")))))
	f.Add([]byte(`{"resourceType":"Patient","identifier":[{"system":"http://hl7.org.au/id/abn","value":"1"}],"text":{"div":"<div/>"},"implicitRules":"x"}`))
	f.Add([]byte(of("batch", about("Condition", "subject", uuid(0)), request(to("#")))))
	f.Add([]byte(whole("transaction", `{"fullUrl":"urn:","request":{"method":"PUT","url":"?"}}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := parseOrError(data)
		if err != nil {
			return
		}
		issues := bundle.Check(document, options)
		if again := bundle.Check(document, options); !slices.Equal(issues, again) {
			t.Errorf("got %v, then %v", lines(issues), lines(again))
		}
		for _, issue := range issues {
			if issue.Details == "" || issue.Rule == "" || issue.Source == "" || issue.Code == "" {
				t.Errorf("got %+v, want it complete", issue)
			}
		}
	})
}
