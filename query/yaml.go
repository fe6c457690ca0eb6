package query

import "go.yaml.in/yaml/v3"

// yamlMap is a mapping in the order in which it is written: for people, a description begins with what it is of.
type yamlMap []yamlField

type yamlField struct {
	name  string
	value any
}

// MarshalYAML keeps the order, which a map of Go has not.
func (m yamlMap) MarshalYAML() (any, error) {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range m {
		var name, value yaml.Node
		name.SetString(f.name)
		if err := value.Encode(f.value); err != nil {
			return nil, err
		}
		mapping.Content = append(mapping.Content, &name, &value)
	}
	return mapping, nil
}
