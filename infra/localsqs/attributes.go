package localsqs

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// numeric are the queue attributes that are whole numbers: their range and default.
// SQS API reference, CreateQueue: Attributes.
var numeric = map[string]struct{ low, high, standard int }{
	"DelaySeconds":                  {0, maxDelay, 0},
	"MaximumMessageSize":            {1 << 10, maxMessageSize, maxMessageSize},
	"MessageRetentionPeriod":        {60, 1209600, 345600},
	"ReceiveMessageWaitTimeSeconds": {0, maxWait, 0},
	"VisibilityTimeout":             {0, maxVisibility, 30},
}

// inert are attributes that are kept and returned but have no effect here.
var inert = []string{"Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"}

// settings are a queue's attributes, checked and read. They are replaced as a whole, never changed.
type settings struct {
	explicit map[string]string // as set, canonical; what was never set has its default

	delay             time.Duration
	maximumSize       int // bytes
	retention         time.Duration
	receiveWait       time.Duration
	visibilityTimeout time.Duration
	redrive           *redrivePolicy // nil without a dead-letter queue
	redriveAllow      *redriveAllowPolicy
}

// redrivePolicy is the attribute RedrivePolicy.
type redrivePolicy struct {
	DeadLetterTargetARN string  `json:"deadLetterTargetArn"`
	MaxReceiveCount     integer `json:"maxReceiveCount"`
}

// redriveAllowPolicy is the attribute RedriveAllowPolicy of a dead-letter queue.
type redriveAllowPolicy struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueARNs   []string `json:"sourceQueueArns,omitempty"`
}

// integer is a JSON number that may also come as a string.
type integer int

func (i *integer) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*i = integer(n)
	return err
}

// readSettings checks attributes as CreateQueue and SetQueueAttributes take them. An empty value means
// that the attribute is not set.
func readSettings(attributes map[string]string) (*settings, error) {
	s := &settings{explicit: make(map[string]string)}
	for name, value := range attributes {
		if _, known := numeric[name]; !known && !slices.Contains(inert, name) {
			switch name {
			case "RedrivePolicy", "RedriveAllowPolicy":
			case "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit":
				return nil, errUnsupportedOperation("FIFO queues are not supported by this endpoint.")
			default:
				return nil, errInvalidAttributeName(name)
			}
		}
		if !validContent(value) {
			return nil, errInvalidAttributeValue(name)
		}
		if value != "" {
			s.explicit[name] = value
		}
	}
	numbers := make(map[string]int, len(numeric))
	for name, r := range numeric {
		numbers[name] = r.standard
		if text, set := s.explicit[name]; set {
			n, err := strconv.Atoi(text)
			if err != nil || n < r.low || n > r.high {
				return nil, errInvalidAttributeValue(name)
			}
			numbers[name] = n
			s.explicit[name] = strconv.Itoa(n)
		}
	}
	s.delay = seconds(numbers["DelaySeconds"])
	s.maximumSize = numbers["MaximumMessageSize"]
	s.retention = seconds(numbers["MessageRetentionPeriod"])
	s.receiveWait = seconds(numbers["ReceiveMessageWaitTimeSeconds"])
	s.visibilityTimeout = seconds(numbers["VisibilityTimeout"])
	if err := s.readRedrive(); err != nil {
		return nil, err
	}
	return s, nil
}

// readRedrive reads the two policies and makes their texts canonical, so that equal policies compare equal.
func (s *settings) readRedrive() error {
	if text, set := s.explicit["RedrivePolicy"]; set {
		s.redrive = new(redrivePolicy)
		if json.Unmarshal([]byte(text), s.redrive) != nil || s.redrive.MaxReceiveCount < 1 || s.redrive.MaxReceiveCount > 1000 {
			return errInvalidParameter("Value for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map.")
		}
		s.explicit["RedrivePolicy"] = canonical(s.redrive)
	}
	if text, set := s.explicit["RedriveAllowPolicy"]; set {
		s.redriveAllow = new(redriveAllowPolicy)
		permissions := []string{"allowAll", "denyAll", "byQueue"}
		if json.Unmarshal([]byte(text), s.redriveAllow) != nil || !slices.Contains(permissions, s.redriveAllow.RedrivePermission) {
			return errInvalidParameter("Value for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS can't create the redrive allow policy.")
		}
		s.explicit["RedriveAllowPolicy"] = canonical(s.redriveAllow)
	}
	return nil
}

// canonical is the compact JSON of a policy; policies are made of strings and numbers, which always encode.
func canonical(policy any) string {
	text, err := json.Marshal(policy)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// with gives the settings after SetQueueAttributes.
func (s *settings) with(changes map[string]string) (*settings, error) {
	all := maps.Clone(s.explicit)
	maps.Copy(all, changes)
	return readSettings(all)
}

// all are the attributes with their values, defaults included.
func (s *settings) all() map[string]string {
	values := maps.Clone(s.explicit)
	for name, r := range numeric {
		if _, set := values[name]; !set {
			values[name] = strconv.Itoa(r.standard)
		}
	}
	return values
}

// differing names an attribute of wanted that has another value here, or is empty.
func (s *settings) differing(wanted *settings) string {
	have := s.all()
	for _, name := range slices.Sorted(maps.Keys(wanted.explicit)) {
		if have[name] != wanted.explicit[name] {
			return name
		}
	}
	return ""
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
