package keypolicy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader takes values out of the nodes of a YAML file and says where they stand
// when they are not what they should be.
type reader struct{ file string }

func (r *reader) wrong(n *yaml.Node, field, problem string) error {
	e := &SyntaxError{File: r.file, Field: field, Problem: problem}
	if n != nil {
		e.Line = n.Line
	}
	return e
}

// members returns the values of a mapping by name. With known names, others are
// refused.
func (r *reader) members(n *yaml.Node, at string, known ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.wrong(n, at, "is "+kind(n)+", and has to be fields with values"+allowedFields(known))
	}
	members := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, err := r.text(key, at)
		if err != nil {
			return nil, err
		}
		field := strings.TrimPrefix(at+"."+name, ".")
		if len(known) > 0 && !slices.Contains(known, name) {
			return nil, r.wrong(key, field, "is no field"+allowed(known))
		}
		if _, twice := members[name]; twice {
			return nil, r.wrong(key, field, "is there twice")
		}
		members[name] = value
	}
	return members, nil
}

// fieldOf returns the node of a rule's field, or the rule's.
func (r *reader) fieldOf(n *yaml.Node, field string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i]
		}
	}
	return n
}

func (r *reader) text(n *yaml.Node, at string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return "", r.wrong(n, at, "is "+kind(n)+", and has to be text: put it in quotes if it looks like something else")
	}
	if !printable(n.Value) {
		return "", r.wrong(n, at, notPrintable)
	}
	return n.Value, nil
}

func (r *reader) texts(n *yaml.Node, at string) ([]string, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, r.wrong(n, at, "is "+kind(n)+", and has to be a list")
	}
	if len(n.Content) == 0 {
		// Is nothing allowed, or everything? Nobody should have to know.
		return nil, r.wrong(n, at, "is an empty list: leave the field out if it has nothing to say")
	}
	texts := make([]string, len(n.Content))
	for i, item := range n.Content {
		var err error
		if texts[i], err = r.text(item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func (r *reader) boolean(n *yaml.Node, at string) (bool, error) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Value != "true" && n.Value != "false" {
		return false, r.wrong(n, at, "is "+kind(n)+"; allowed: true, false")
	}
	return n.Value == "true", nil
}

func (r *reader) integer(n *yaml.Node, at string) (int, error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i, nil
		}
	}
	return 0, r.wrong(n, at, "is "+kind(n)+", and has to be a whole number")
}

// kind says what n is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode: // a policy that has to be put together in the head is not read by anybody
		return "an alias"
	}
	switch n.Tag {
	case "!!null":
		return "empty"
	case "!!str":
		return fmt.Sprintf("the text %.40q", n.Value)
	default:
		return fmt.Sprintf("%.40q", n.Value)
	}
}

func allowedFields(known []string) string {
	if len(known) == 0 {
		return ""
	}
	return allowed(known)
}
