package query

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// metadata serves the CapabilityStatement (FHIR R4 http.html#capabilities) to everybody: it tells of no tenant.
func (s *Server) metadata(w *fhirhttp.Response, r *http.Request) error {
	if err := fhirhttp.CheckAccept(r); err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, s.capability)
	return nil
}

type capability struct {
	ResourceType   string                   `json:"resourceType"`
	Status         string                   `json:"status"`
	Date           string                   `json:"date"`
	Kind           string                   `json:"kind"`
	Software       capabilitySoftware       `json:"software"`
	Implementation capabilityImplementation `json:"implementation"`
	FHIRVersion    string                   `json:"fhirVersion"`
	Format         []string                 `json:"format"`
	PatchFormat    []string                 `json:"patchFormat"`
	Rest           []capabilityRest         `json:"rest"`
}

type capabilitySoftware struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type capabilityImplementation struct {
	Description string `json:"description"`
	URL         string `json:"url"`
}

type capabilityRest struct {
	Mode          string                  `json:"mode"`
	Documentation string                  `json:"documentation"`
	Security      capabilitySecurity      `json:"security"`
	Resource      []capabilityResource    `json:"resource"`
	Interaction   []capabilityInteraction `json:"interaction"`
	Operation     []capabilityOperation   `json:"operation"`
}

type capabilitySecurity struct {
	CORS        bool   `json:"cors"`
	Description string `json:"description"`
}

type capabilityResource struct {
	Type              string                  `json:"type"`
	Interaction       []capabilityInteraction `json:"interaction"`
	Versioning        string                  `json:"versioning"`
	ReadHistory       bool                    `json:"readHistory"`
	UpdateCreate      bool                    `json:"updateCreate"`
	ConditionalCreate bool                    `json:"conditionalCreate"`
	ConditionalRead   string                  `json:"conditionalRead"`
	ConditionalUpdate bool                    `json:"conditionalUpdate"`
	ConditionalDelete string                  `json:"conditionalDelete"`
	SearchInclude     []string                `json:"searchInclude,omitempty"`
	SearchRevInclude  []string                `json:"searchRevInclude,omitempty"`
	SearchParam       []capabilitySearchParam `json:"searchParam"`
	Operation         []capabilityOperation   `json:"operation,omitempty"`
}

type capabilityInteraction struct {
	Code          string `json:"code"`
	Documentation string `json:"documentation,omitempty"`
}

type capabilityOperation struct {
	Name       string `json:"name"`
	Definition string `json:"definition"` // canonical URL of an OperationDefinition of R4
}

type capabilitySearchParam struct {
	Name string      `json:"name"`
	Type search.Type `json:"type"`
}

// maxDepth is that of fhir.Limits.
const maxDepth = 64

// capabilityStatement is made from the table that searches read, and from the one that routes are compared with.
func capabilityStatement(c Config) []byte {
	rest := capabilityRest{
		Mode: "server",
		Documentation: "JSON only: XML is refused with 406 and 415. Every write is answered with 202 and a status URL in Content-Location " +
			"(FHIR asynchronous pattern), unless it prefers to wait: with Prefer: wait=n, of at most 20 seconds, it is answered as by a server " +
			"that settles at once, if it settles in that time. Ids are the server's: an update of an unknown one is 405. " +
			"A Bundle of type transaction, batch, document, message or collection is sent to the base URL. A JSON Patch is application/json-patch+json. " +
			"DELETE on a status URL cancels what has not settled. " +
			"The histories of a type and of the system have what the caller's own submissions wrote. Of _summary and _elements both, a request has one. " +
			"A Binary is sent as its own content, an attachment, to who asks for its type in Accept. " +
			"Searches refuse parameters that they do not know, or ignore them with Prefer: handling=lenient. Tokens take :not, :text and :missing, strings :exact, :contains and :missing, " +
			"references a type, :identifier and :missing. Chains and _has have one step. With _lastUpdated, what is found is complete: nothing older appears later. Dates without a zone are in UTC. " +
			fmt.Sprintf("_sort by others than _lastUpdated takes %d matches, _total counts %d. ", maxSorted, maxTotal) +
			fmt.Sprintf("Limits: a body of %d bytes after decoding, %d entries, %d levels; searches, histories and $everything answer with at most %d resources or about %d bytes a page.",
				c.MaxBody, c.MaxEntries, maxDepth, maxCount, c.PageBytes),
		Security: capabilitySecurity{Description: "An API key in the header x-api-key, or a bearer token, says who calls; a client reads what its organisation sent or was addressed, and writes what it sent."},
	}
	rest.Interaction, rest.Operation = interactionsOf(c, "")
	refer := referringParams()
	for _, name := range search.Types() {
		resource := capabilityResource{
			Type: name, Versioning: "versioned", ReadHistory: true, UpdateCreate: false,
			ConditionalCreate: true, ConditionalRead: "full-support", ConditionalUpdate: true, ConditionalDelete: "single",
			SearchParam: []capabilitySearchParam{{Name: "_id", Type: search.Token}}, SearchRevInclude: refer[name],
		}
		resource.Interaction, resource.Operation = interactionsOf(c, name)
		params, _ := search.Params(name)
		for _, p := range slices.Concat(search.Common(), params) {
			resource.SearchParam = append(resource.SearchParam, capabilitySearchParam{Name: p.Name, Type: p.Type})
			if p.Type == search.Reference {
				resource.SearchInclude = append(resource.SearchInclude, name+":"+p.Name)
			}
		}
		rest.Resource = append(rest.Resource, resource)
	}
	b, err := encode(capability{
		ResourceType: "CapabilityStatement", Status: "active", Date: c.Released.UTC().Format("2006-01-02"), Kind: "instance",
		Software: capabilitySoftware{Name: "Referral FHIR Server", Version: c.Version},
		Implementation: capabilityImplementation{
			Description: "Referral intake: accepts referrals as FHIR Bundles, settles each once, and serves them to sender and recipient.",
			URL:         c.BaseURL.JoinPath("fhir").String(),
		},
		FHIRVersion: "4.0.1", Format: []string{fhirJSON, "json"}, PatchFormat: []string{jsonPatch}, Rest: []capabilityRest{rest},
	})
	if err != nil {
		panic("query: a CapabilityStatement of strings encodes: " + err.Error())
	}
	return b
}

// referringParams returns the references that lead to each type, as _revinclude names them: those that lead to any type are
// among all.
func referringParams() map[string][]string {
	refer := map[string][]string{}
	for _, name := range search.Types() {
		params, _ := search.Params(name)
		for _, p := range params {
			if p.Type != search.Reference || p.Use == search.Unindexed {
				continue
			}
			targets := p.Target
			if len(targets) == 0 {
				targets = search.Types()
			}
			for _, t := range targets {
				refer[t] = append(refer[t], name+":"+p.Name)
			}
		}
	}
	return refer
}

// interactionsOf returns what endpoints say of a resource type, or of the system without one.
func interactionsOf(c Config, resourceType string) (interactions []capabilityInteraction, operations []capabilityOperation) {
	for _, e := range endpoints() {
		all, one := e.level()
		if isType := all || isServed(one); resourceType == "" && isType || resourceType != "" && !all && one != resourceType {
			continue
		}
		for _, code := range e.interactions {
			i := capabilityInteraction{Code: code}
			if resourceType == "" {
				i.Documentation = e.summary
			}
			interactions = append(interactions, i)
		}
		if e.operation != "" {
			operations = append(operations, e.capability(c))
		}
	}
	return interactions, operations
}

// capability names the operation as it is called, without $.
func (e endpoint) capability(c Config) capabilityOperation {
	definition := e.operation
	if !strings.HasPrefix(definition, hl7Operation) {
		definition = c.BaseURL.JoinPath("fhir", "OperationDefinition", definition).String()
	}
	return capabilityOperation{e.route[strings.LastIndexByte(e.route, '$')+1:], definition}
}
