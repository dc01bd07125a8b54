package notebook

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// place is where in a notebook something stands.
type place struct {
	area         Area
	cell, output int
}

// literal is the inside of a JSON string in a file.
type literal struct{ start, end int }

// text is what is searched as one: a string, or an array of strings, which is how
// notebooks store lines. Its literals, decoded, one after the other, are its content.
type text struct {
	place
	literals []literal
	secret   bool // it is the value of a member whose name says that it is a secret
	key      bool // it is the private part of a JSON Web Key
}

// level says what the members and elements of a value are to a notebook.
type level int

const (
	levelNotebook level = iota
	levelSheets         // nbformat 3: the array of worksheets
	levelCells
	levelCell
	levelOutputs
	levelInside // of anything whose place is known
)

// document reads where the texts of a JSON file stand. The file must be valid JSON.
type document struct {
	data  []byte
	at    int
	texts []text
}

func textsOf(data []byte) []text {
	d := &document{data: data}
	d.value(levelNotebook, place{area: Elsewhere}, false)
	return d.texts
}

// next is the next byte that is no space; it is not consumed.
func (d *document) next() byte {
	for {
		switch c := d.data[d.at]; c {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return c
		}
	}
}

func (d *document) value(l level, p place, secret bool) {
	switch d.next() {
	case '{':
		d.object(l, p)
	case '[':
		d.array(l, p)
	case '"':
		d.texts = append(d.texts, text{place: p, literals: []literal{d.literal()}, secret: secret})
	default: // a number or a word
		for d.at < len(d.data) && !bytes.ContainsRune([]byte(" \t\r\n,]}"), rune(d.data[d.at])) {
			d.at++
		}
	}
}

func (d *document) literal() literal {
	d.at++
	start := d.at
	for d.data[d.at] != '"' {
		if d.data[d.at] == '\\' {
			d.at++
		}
		d.at++
	}
	d.at++
	return literal{start, d.at - 1}
}

func (d *document) object(l level, p place) {
	d.at++
	jwk, private := false, []int(nil)
	for d.next() != '}' {
		key := d.literal()
		name := string(decode(d.data[key.start:key.end]))
		below, at := member(l, p, name)
		d.texts = append(d.texts, text{place: at, literals: []literal{key}})
		d.next() // the colon
		d.at++
		jwk = jwk || name == "kty"
		if privateMembers[name] && d.next() == '"' {
			private = append(private, len(d.texts))
		}
		d.value(below, at, secretKey.MatchString(name))
		if d.next() == ',' {
			d.at++
		}
	}
	d.at++
	for _, i := range private {
		d.texts[i].key = jwk
	}
}

// privateMembers are those of a JSON Web Key that nobody else may know: RFC 7518,
// 6.2.2, 6.3.2 and 6.4.1.
var privateMembers = map[string]bool{"d": true, "p": true, "q": true, "dp": true, "dq": true, "qi": true, "k": true}

// member says what the member of a value is.
func member(l level, p place, name string) (level, place) {
	switch {
	case l == levelNotebook && name == "cells":
		return levelCells, p
	case l == levelNotebook && name == "worksheets":
		return levelSheets, p
	case l == levelCell && name == "outputs":
		return levelOutputs, p
	case l == levelCell && (name == "source" || name == "input"):
		p.area = Source
	case l == levelCell && name == "attachments":
		p.area = Attachment
	case (l == levelCell || l == levelNotebook) && name == "metadata":
		p.area = Metadata
	}
	return levelInside, p
}

func (d *document) array(l level, p place) {
	d.at++
	first := len(d.texts)
	strings := true
	for n := 1; d.next() != ']'; n++ {
		strings = strings && d.next() == '"'
		below, at := levelInside, p
		switch l {
		case levelSheets:
			below = levelNotebook
		case levelCells:
			below, at.cell = levelCell, n
		case levelOutputs:
			below, at.area, at.output = levelInside, Output, n
		}
		d.value(below, at, false)
		if d.next() == ',' {
			d.at++
		}
	}
	d.at++
	if lines := d.texts[first:]; strings && len(lines) > 1 {
		joined := text{place: lines[0].place}
		for _, line := range lines {
			joined.literals = append(joined.literals, line.literals...)
		}
		d.texts = append(d.texts[:first], joined)
	}
}

// unit is the first character of a literal: what it stands for, and its length as it
// is written.
func unit(lit []byte) (decoded []byte, n int) {
	if lit[0] != '\\' {
		return lit[:1], 1
	}
	if lit[1] != 'u' {
		return escape(lit)
	}
	r, n := codeUnit(lit), 6
	if utf16.IsSurrogate(r) {
		pair := utf8.RuneError
		if len(lit) >= 12 && lit[6] == '\\' && lit[7] == 'u' {
			pair = utf16.DecodeRune(r, codeUnit(lit[6:]))
		}
		if r = pair; pair != utf8.RuneError {
			n = 12
		}
	}
	return utf8.AppendRune(nil, r), n
}

// codeUnit is the number in the \uXXXX at the beginning of lit.
func codeUnit(lit []byte) rune {
	var r rune
	for _, c := range lit[2:6] {
		switch {
		case c >= 'a':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A':
			r = r<<4 | rune(c-'A'+10)
		default:
			r = r<<4 | rune(c-'0')
		}
	}
	return r
}

// decode returns what a literal stands for. Bytes that are no UTF-8 stay as they are.
func decode(lit []byte) []byte {
	if bytes.IndexByte(lit, '\\') < 0 {
		return lit
	}
	out := make([]byte, 0, len(lit))
	for i := 0; i < len(lit); {
		decoded, n := unit(lit[i:])
		out = append(out, decoded...)
		i += n
	}
	return out
}

// written returns where in a literal the characters stand that the bytes from start to
// end of what it stands for come from.
func written(lit []byte, start, end int) (from, to int) {
	from = -1
	for i, at := 0, 0; i < len(lit) && at < end; {
		decoded, n := unit(lit[i:])
		if from < 0 && at+len(decoded) > start {
			from = i
		}
		i, at = i+n, at+len(decoded)
		to = i
	}
	return from, to
}
