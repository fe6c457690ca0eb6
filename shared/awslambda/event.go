package awslambda

// event is the union of the four shapes, of each what a request is made of. Shapes share names only for what means the
// same in them. Sources: API Gateway Developer Guide "Lambda proxy integrations in API Gateway" (REST), "AWS Lambda
// proxy integrations for HTTP APIs" (both payload versions), Lambda Developer Guide "Invoking Lambda function URLs",
// Elastic Load Balancing "Use Lambda functions as targets".
type event struct {
	Version string `json:"version"` // "2.0" of HTTP APIs and function URLs

	// Payload 1.0 and load balancers.
	HTTPMethod        string              `json:"httpMethod"`
	Path              string              `json:"path"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`

	// Payload 2.0.
	RawPath        string   `json:"rawPath"`
	RawQueryString string   `json:"rawQueryString"`
	Cookies        []string `json:"cookies"`

	Headers         map[string]string `json:"headers"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	RequestContext  requestContext    `json:"requestContext"`
}

type requestContext struct {
	ELB *struct{} `json:"elb"` // of load balancers only

	DomainName string `json:"domainName"`
	Stage      string `json:"stage"`

	// Payload 1.0.
	Identity struct {
		SourceIP   string     `json:"sourceIp"`
		ClientCert clientCert `json:"clientCert"`
	} `json:"identity"`

	// Payload 2.0.
	HTTP struct {
		Method   string `json:"method"`
		SourceIP string `json:"sourceIp"`
	} `json:"http"`
	Authentication struct {
		ClientCert clientCert `json:"clientCert"`
	} `json:"authentication"`
}

// clientCert is the certificate of a domain name with mutual TLS. The names beside the PEM are not read: splitting
// them at commas or dots is how certificates are forged.
type clientCert struct {
	PEM string `json:"clientCertPem"`
}

func (e *event) isV2() bool { return e.Version == "2.0" }

func (e *event) isLoadBalancer() bool { return e.RequestContext.ELB != nil }
