package narrative_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/narrative"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// in puts a body into a div.
func in(body string) string { return `<div xmlns="http://www.w3.org/1999/xhtml">` + body + `</div>` }

var good = map[string]string{
	"text":              in(`Knee pain since May`),
	"white space about": "\n " + in(`Knee pain`) + "\n",
	"every shape": in(`<h1 class="bold">Referral</h1><p id='p1' style="color: gray; margin: 0 4px">Knee &lt; hip, pain &amp; swelling &#160;&#xA0;` +
		`<br/><b>urgent</b></p><table border="1"><thead><tr><th scope="col">a</th></tr></thead><tbody><tr><td colspan="2">1 &gt; 0</td></tr></tbody></table>` +
		`<ul><li>é 漢 😀</li></ul><dl><dt>x</dt><dd>y</dd></dl><pre xml:space="preserve"> a </pre><address>b</address><kbd>c</kbd>`),
	"language":              `<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="en-AU" lang="en-AU">a</div>`,
	"namespace within":      in(`<p xmlns="http://www.w3.org/1999/xhtml">a</p>`),
	"anchor":                in(`<a name="Patient_1"> </a>a`),
	"links":                 in(`<a href="Patient/1">a</a><a href="#x">b</a><a href="HTTPS://example.org/x?a=b:c">c</a><a href="mailto:a@example.org">d</a><a href="tel:0355501234">e</a><a href="urn:uuid:4b5d8f2e-0000-4000-8000-000000000001">f</a><a href="?a=b:c">g</a><a href="//example.org/x">h</a>`),
	"only an image":         in(`<img src="#pic1" alt=""/>`),
	"image of the Bundle":   in(`<img src="urn:uuid:4b5d8f2e-0000-4000-8000-000000000001"/>`),
	"image on this server":  in(`<img src="Binary/1"/>`),
	"image as data":         in(`<img src="data:image/png;base64,iVBO//8A+w=="/>`),
	"image in a style":      in(`<p style="background: url('data:image/gif;base64,R0//8A+w==') no-repeat">a</p>`),
	"style with quotes":     in(`<p style='font-family: "Segoe UI", Arial; width: calc(50% / 2)'>a</p>`),
	"comment":               in(`<!-- made by a practice system -->a`),
	"brackets":              in(`a]] > b]]&gt;`),
	"greater than":          in(`a > b`),
	"character past 0xFFFF": in(`&#x1F600;`),
	"depth 128":             in(strings.Repeat("<b>", 127) + "a" + strings.Repeat("</b>", 127)),
}

func TestCheckGood(t *testing.T) {
	for name, div := range good {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]narrative.Problem(nil), narrative.Check(div)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

const (
	wellFormed = "not well-formed"
	basic      = "element that is not basic"
	attributes = "attribute that is not basic"
	handlers   = "event handlers"
	documents  = "document type"
	entities   = "must not have entities"
	links      = "link that leads"
	images     = "image that is neither"
	external   = "another server"
	styles     = "style that does more"
)

var bad = map[string]struct {
	div  string
	key  string
	code fhir.Code
	says string
}{
	"empty":                     {in(``), "txt-2", fhir.CodeInvariant, "empty"},
	"empty, self-closing":       {`<div xmlns="http://www.w3.org/1999/xhtml"/>`, "txt-2", fhir.CodeInvariant, "empty"},
	"only white space":          {in(" \n\t<p> &#32;&#10; </p>"), "txt-2", fhir.CodeInvariant, "empty"},
	"only an anchor and break":  {in(`<a name="x"></a><br/><img alt="x"/><!-- x -->`), "txt-2", fhir.CodeInvariant, "empty"},
	"plain text":                {`Knee pain`, "txt-1", fhir.CodeInvariant, wellFormed},
	"nothing":                   {``, "txt-1", fhir.CodeInvariant, wellFormed},
	"not a div":                 {`<p xmlns="http://www.w3.org/1999/xhtml">a</p>`, "txt-1", fhir.CodeInvariant, "one div"},
	"two divs":                  {in(`a`) + in(`b`), "txt-1", fhir.CodeInvariant, wellFormed},
	"text after":                {in(`a`) + `b`, "txt-1", fhir.CodeInvariant, wellFormed},
	"no namespace":              {`<div>a</div>`, "txt-1", fhir.CodeInvariant, "xmlns="},
	"wrong namespace":           {`<div xmlns="http://www.w3.org/2000/svg">a</div>`, "txt-1", fhir.CodeInvariant, "namespace"},
	"wrong namespace within":    {in(`<p xmlns="http://www.w3.org/1998/Math/MathML">a</p>`), "txt-1", fhir.CodeInvariant, "namespace"},
	"prefix":                    {in(`<p xmlns:svg="http://www.w3.org/2000/svg">a</p>`), "txt-1", fhir.CodeInvalid, attributes},
	"not closed":                {in(`<p>a`), "txt-1", fhir.CodeInvariant, wellFormed},
	"cut off":                   {`<div xmlns="http://www.w3.org/1999/xhtml">a`, "txt-1", fhir.CodeInvariant, wellFormed},
	"crossed":                   {in(`<b><i>a</b></i>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"break of HTML":             {in(`a<br>b`), "txt-1", fhir.CodeInvariant, wellFormed},
	"closed twice":              {in(`a</div>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"bare ampersand":            {in(`a & b`), "txt-1", fhir.CodeInvariant, wellFormed},
	"bare ampersand in a link":  {in(`<a href="?a=1&b=2">a</a>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"bare less-than":            {in(`a < b`), "txt-1", fhir.CodeInvariant, wellFormed},
	"less-than in an attribute": {in(`<p title="<b>">a</p>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"entity of HTML":            {in(`a&nbsp;b`), "txt-1", fhir.CodeInvariant, "&#160;"},
	"hidden colon":              {in(`<a href="javascript&colon;alert(1)">a</a>`), "txt-1", fhir.CodeInvariant, "entities of HTML"},
	"control character":         {in("a\x01"), "txt-1", fhir.CodeInvariant, wellFormed},
	"escaped control character": {in(`a&#1;`), "txt-1", fhir.CodeInvariant, wellFormed},
	"escaped surrogate":         {in(`a&#xD800;`), "txt-1", fhir.CodeInvariant, wellFormed},
	"character past Unicode":    {in(`a&#x110000;`), "txt-1", fhir.CodeInvariant, wellFormed},
	"character overflow":        {in(`a&#99999999999999999999;`), "txt-1", fhir.CodeInvariant, wellFormed},
	"no character":              {in(`a&#x;`), "txt-1", fhir.CodeInvariant, wellFormed},
	"U+FFFE":                    {in("a\uFFFE"), "txt-1", fhir.CodeInvariant, wellFormed},
	"not UTF-8":                 {in("a\xff"), "txt-1", fhir.CodeInvariant, wellFormed},
	"end of CDATA":              {in(`a]]>b`), "txt-1", fhir.CodeInvariant, wellFormed},
	"attribute without quotes":  {in(`<p class=bold>a</p>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"attribute without value":   {in(`<td nowrap>a</td>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"attribute without end":     {in(`<p class="bold>a</p>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"attribute twice":           {in(`<p class="a" class="b">a</p>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"attributes together":       {in(`<p class="a"id="b">a</p>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"slash for space":           {in(`<img/src="#x"/>`), "txt-1", fhir.CodeInvariant, wellFormed},
	"comment that HTML ends":    {in(`<!--><b>a</b>-->`), "txt-1", fhir.CodeInvariant, wellFormed},
	"comment that HTML ends, 2": {in(`<!---><b>a</b>-->`), "txt-1", fhir.CodeInvariant, wellFormed},
	"comment that HTML ends, 3": {in(`<!--a--!><b>a</b>-->`), "txt-1", fhir.CodeInvariant, wellFormed},
	"comment without end":       {in(`<!-- a`), "txt-1", fhir.CodeInvariant, wellFormed},
	"comment before":            {`<!-- a -->` + in(`a`), "txt-1", fhir.CodeInvalid, documents},
	"XML declaration":           {`<?xml version="1.0"?>` + in(`a`), "txt-1", fhir.CodeInvalid, documents},
	"document type":             {`<!DOCTYPE div [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>` + in(`&xxe;`), "txt-1", fhir.CodeInvalid, documents},
	"entity of its own":         {in(`a&xxe;`), "txt-1", fhir.CodeInvalid, entities},
	"entity in an attribute":    {in(`<p title="&lol9;">a</p>`), "txt-1", fhir.CodeInvalid, entities},
	"CDATA":                     {in(`<![CDATA[<script>alert(1)</script>]]>a`), "txt-1", fhir.CodeInvalid, documents},
	"processing instruction":    {in(`<?php echo 1 ?>a`), "txt-1", fhir.CodeInvalid, documents},
	"script":                    {in(`a<script>alert(1)</script>`), "txt-1", fhir.CodeInvalid, "script elements"},
	"script in capitals":        {in(`a<SCRIPT>alert(1)</SCRIPT>`), "txt-1", fhir.CodeInvalid, basic},
	"script with a prefix":      {in(`a<x:script>alert(1)</x:script>`), "txt-1", fhir.CodeInvalid, basic},
	"style sheet":               {in(`<style>@import url(x)</style>a`), "txt-1", fhir.CodeInvalid, "style elements"},
	"iframe":                    {in(`a<iframe src="#x"/>`), "txt-1", fhir.CodeInvalid, "iframe elements"},
	"object":                    {in(`a<object/>`), "txt-1", fhir.CodeInvalid, "object elements"},
	"form":                      {in(`<form action="x">a</form>`), "txt-1", fhir.CodeInvalid, "form elements"},
	"drawing":                   {in(`a<svg onload="alert(1)"/>`), "txt-1", fhir.CodeInvalid, "svg elements"},
	"mutation":                  {in(`<math><mtext><table>a</table></mtext></math>`), "txt-1", fhir.CodeInvalid, "math elements"},
	"head":                      {in(`<head/>a`), "txt-1", fhir.CodeInvalid, "head elements"},
	"unknown element":           {in(`<Nguyen>a</Nguyen>`), "txt-1", fhir.CodeInvalid, basic},
	"deprecated element":        {in(`<center>a</center>`), "txt-1", fhir.CodeInvalid, basic},
	"handler":                   {in(`<p onclick="alert(1)">a</p>`), "txt-1", fhir.CodeInvalid, handlers},
	"handler in capitals":       {in(`<p onLoad="alert(1)">a</p>`), "txt-1", fhir.CodeInvalid, handlers},
	"unknown attribute":         {in(`<p data-x="1">a</p>`), "txt-1", fhir.CodeInvalid, attributes},
	"srcset":                    {in(`<img src="#a" srcset="https://example.org/x"/>`), "txt-1", fhir.CodeInvalid, attributes},
	"link to script":            {in(`<a href="javascript:alert(1)">a</a>`), "", fhir.CodeInvalid, links},
	"link to hidden script":     {in(`<a href=" &#x6a;AVA&#10;scr` + "\t" + `ipt&#58;alert(1)">a</a>`), "", fhir.CodeInvalid, links},
	"link to a document":        {in(`<a href="data:text/html,x">a</a>`), "", fhir.CodeInvalid, links},
	"link to a file":            {in(`<a href="file:///etc/passwd">a</a>`), "", fhir.CodeInvalid, links},
	"link to gopher":            {in(`<a href="gopher://example.org">a</a>`), "", fhir.CodeInvalid, links},
	"cite of script":            {in(`<q cite="vbscript:x">a</q>`), "", fhir.CodeInvalid, links},
	"image elsewhere":           {in(`<img src="https://example.org/x.png"/>`), "", fhir.CodeSecurity, external},
	"image of any scheme":       {in(`<img src="//example.org/x.png"/>`), "", fhir.CodeSecurity, external},
	"image with backslashes":    {in(`<img src="/\example.org/x.png"/>`), "", fhir.CodeSecurity, external},
	"image of SVG":              {in(`<img src="data:image/svg+xml,x"/>`), "", fhir.CodeInvalid, images},
	"image of HTML":             {in(`<img src="data:text/html;base64,eA=="/>`), "", fhir.CodeInvalid, images},
	"image of a file":           {in(`<img src="file:///x.png"/>`), "", fhir.CodeInvalid, images},
	"image of script":           {in(`<img src="javascript:alert(1)"/>`), "", fhir.CodeInvalid, images},
	"style that loads":          {in(`<p style="background:url(https://example.org/x)">a</p>`), "", fhir.CodeSecurity, external},
	"style that loads, 2":       {in(`<p style="background: URL( //example.org/x )">a</p>`), "", fhir.CodeSecurity, external},
	"style that loads, 3":       {in(`<p style="background: image-set(&quot;//example.org/x&quot; 1x)">a</p>`), "", fhir.CodeSecurity, external},
	"style that loads SVG":      {in(`<p style="background: url('data:image/svg+xml,x')">a</p>`), "", fhir.CodeInvalid, images},
	"style with escapes":        {in(`<p style="background: \75rl(x)">a</p>`), "txt-1", fhir.CodeInvalid, styles},
	"style with comments":       {in(`<p style="width: expr/**/ession(x)">a</p>`), "txt-1", fhir.CodeInvalid, styles},
	"style that computes":       {in(`<p style="width: Expression (alert(1))">a</p>`), "txt-1", fhir.CodeInvalid, styles},
	"style with behaviour":      {in(`<p style="color: red; behavior : url(x)">a</p>`), "txt-1", fhir.CodeInvalid, styles},
	"style with a binding":      {in(`<p style="-moz-binding: url(x)">a</p>`), "txt-1", fhir.CodeInvalid, styles},
	"style with an import":      {in(`<p style="@import 'x'">a</p>`), "txt-1", fhir.CodeInvalid, styles},
	"depth 129":                 {in(strings.Repeat("<b>", 128) + "a" + strings.Repeat("</b>", 128)), "", fhir.CodeTooCostly, "within each other"},
}

func TestCheckBad(t *testing.T) {
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			got := narrative.Check(c.div)
			if len(got) == 0 {
				t.Fatal("got no problem")
			}
			if got[0].Key != c.key || got[0].Code != c.code || !strings.Contains(got[0].Sentence, c.says) {
				t.Errorf("got %+v, want %q, %s, %q", got[0], c.key, c.code, c.says)
			}
		})
	}
}

// TestProblemsAreToldOnce: a narrative exported by a word processor has the same fault in every line.
func TestProblemsAreToldOnce(t *testing.T) {
	div := in(strings.Repeat(`<center onclick="x"><Smith>Jo</Smith></center><img src="http://example.org/x"/>`, 1000))
	got := narrative.Check(div)
	want := []narrative.Problem{
		{"txt-1", fhir.CodeInvalid, "The narrative has an element that is not basic HTML formatting", 43},
		{"txt-1", fhir.CodeInvalid, "The narrative must not have event handlers, such as onclick", 50},
		{"", fhir.CodeSecurity, "The narrative shows something from another server, which would learn who reads it: send it along instead", 93},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestPublishedNarratives checks every narrative of the examples that are published with the Australian guides.
func TestPublishedNarratives(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "fhir", "examples")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the published examples are not beside this repository")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	narratives := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, div := range divs(doc) {
			narratives++
			if diff := cmp.Diff([]narrative.Problem(nil), narrative.Check(div)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", filepath.Base(name), diff)
			}
		}
	}
	if got, want := narratives, 400; got < want {
		t.Errorf("got %d narratives, want at least %d", got, want)
	}
}

// divs returns the string under every "div".
func divs(v any) (found []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = append(found, divs(item)...)
		}
	case map[string]any:
		for name, item := range v {
			if div, ok := item.(string); ok && name == "div" {
				found = append(found, div)
			}
			found = append(found, divs(item)...)
		}
	}
	return found
}

// TestCheckIsLinear gives 1 MiB of whatever might make a parser go back. A race detector on a busy machine takes a
// second; time in the square of the size, minutes.
func TestCheckIsLinear(t *testing.T) {
	const size, limit = 1 << 20, 5 * time.Second
	for name, part := range map[string]string{
		"text": "a ", "elements": "<b>a</b>", "open elements": "<b>", "references": "&#0000000000000000065;", "ampersands": "&", "brackets": "]]",
		"comments": "<!---->", "open comments": "<!--", "less-than": "<", "kinds": "<x y='1'/>", "styles": `<b style="x:url(y)"/>`,
	} {
		div := in(strings.Repeat(part, size/len(part)))
		start := time.Now()
		narrative.Check(div)
		if took := time.Since(start); took > limit {
			t.Errorf("%s: took %v", name, took)
		}
	}
	for name, part := range map[string]string{"urls": "url(a", "data": "A/b+", "spaces": " ", "attributes": `" class="x`} {
		div := in(`<b style="` + strings.Repeat(part, size/len(part)) + `">a</b>`)
		start := time.Now()
		narrative.Check(div)
		if took := time.Since(start); took > limit {
			t.Errorf("one attribute, %s: took %v", name, took)
		}
	}
}

// FuzzCheck holds the parser against encoding/xml: what Check accepts is well-formed there too, and read so has
// only what may be in a narrative.
func FuzzCheck(f *testing.F) {
	for _, div := range good {
		f.Add(div)
	}
	for _, c := range bad {
		f.Add(c.div)
	}
	f.Fuzz(func(t *testing.T, div string) {
		problems := narrative.Check(div)
		for _, p := range problems {
			if p.Sentence == "" || p.Offset < 0 || p.Offset > len(div) {
				t.Errorf("problem %+v", p)
			}
		}
		if len(problems) > 8 {
			t.Errorf("got %d problems", len(problems))
		}
		if len(problems) == 0 {
			readXML(t, div)
		}
	})
}

// readXML fails on what a browser could run or fetch.
func readXML(t *testing.T, div string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(div))
	depth, roots := 0, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("encoding/xml refuses %q: %v", div, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			if token.Name.Space != "http://www.w3.org/1999/xhtml" {
				t.Errorf("%q: an element in namespace %q", div, token.Name.Space)
			}
			for _, active := range []string{"script", "style", "iframe", "object", "form", "svg", "math", "embed", "base", "link", "meta"} {
				if strings.EqualFold(token.Name.Local, active) {
					t.Errorf("%q has %s", div, active)
				}
			}
			for _, a := range token.Attr {
				name, value := strings.ToLower(a.Name.Local), strings.ToLower(strings.Join(strings.Fields(a.Value), ""))
				if strings.HasPrefix(name, "on") {
					t.Errorf("%q handles %s", div, name)
				}
				if (name == "href" || name == "src") && strings.HasPrefix(value, "javascript:") {
					t.Errorf("%q runs a script from %s", div, name)
				}
				if name == "src" && (strings.HasPrefix(value, "http:") || strings.HasPrefix(value, "https:") || strings.HasPrefix(value, "//")) {
					t.Errorf("%q shows %q", div, a.Value)
				}
			}
		case xml.EndElement:
			depth--
		case xml.Directive, xml.ProcInst:
			t.Errorf("%q has a directive", div)
		}
	}
	if roots != 1 {
		t.Errorf("%q has %d roots", div, roots)
	}
}

func BenchmarkCheck(b *testing.B) {
	row := `<tr><td style="padding: 4px"><b>Reason</b></td><td><a href="Condition/knee">Knee pain since May &amp; swelling</a></td></tr>`
	div := in(`<p class="bold">Referral</p><table border="1">` + strings.Repeat(row, 8) + `</table>`)
	b.SetBytes(int64(len(div)))
	b.ReportAllocs()
	for b.Loop() {
		if problems := narrative.Check(div); problems != nil {
			b.Fatal(problems)
		}
	}
}
