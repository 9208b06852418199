package intake

import "strings"

// gs1Printed reads the human form "(01)09506000134352(21)ABC".
func gs1Printed(text string) []Candidate {
	if !strings.HasPrefix(text, "(") {
		return nil
	}
	var out []Candidate
	for text != "" {
		rest, ok := strings.CutPrefix(text, "(")
		if !ok {
			return nil
		}
		ai, value, ok := strings.Cut(rest, ")")
		if !ok || !allDigits(ai) || len(ai) < 2 || len(ai) > 4 {
			return nil
		}
		value, text = untilIdentifier(value)
		c, ok := gs1Field(ai, value)
		if !ok {
			return nil
		}
		out = append(out, c)
	}
	return out
}

// untilIdentifier ends a value before the next "(nn)"; brackets are legal inside values.
func untilIdentifier(text string) (value, rest string) {
	for i := range len(text) {
		if text[i] != '(' {
			continue
		}
		if ai, _, ok := strings.Cut(text[i+1:], ")"); ok && allDigits(ai) && len(ai) >= 2 && len(ai) <= 4 {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// gs1Elements reads an element string: fixed-length fields follow each other,
// the others end at a group separator (GS1 General Specifications §7.8).
func gs1Elements(text string) []Candidate {
	var out []Candidate
	for text != "" {
		ai, length := gs1Identifier(text)
		if ai == "" {
			return nil
		}
		value := text[len(ai):]
		if length > 0 {
			if len(value) < length {
				return nil
			}
			value, text = value[:length], strings.TrimPrefix(value[length:], groupSep)
		} else {
			value, text, _ = strings.Cut(value, groupSep)
		}
		c, ok := gs1Field(ai, value)
		if !ok {
			return nil
		}
		out = append(out, c)
	}
	return out
}

// gs1Identifier knows the identifiers that stand on boxes of hardware; 0 is variable length.
func gs1Identifier(text string) (string, int) {
	known := []struct {
		ai     string
		length int
	}{{"00", 18}, {"01", 14}, {"02", 14}, {"11", 6}, {"13", 6}, {"21", 0}, {"240", 0}, {"241", 0}, {"250", 0}, {"10", 0}, {"30", 0}, {"37", 0}, {"422", 3}}
	for _, k := range known {
		if strings.HasPrefix(text, k.ai) {
			return k.ai, k.length
		}
	}
	return "", 0
}

func gs1Field(ai, value string) (Candidate, bool) {
	c := Candidate{Field: ai, Value: value, Certain: true, Kind: CodeOther}
	if value == "" || len(value) > 90 {
		return c, false
	}
	switch ai {
	case "00":
		c.Kind = CodeSSCC
		return c, len(value) == 18 && gs1Check(value)
	case "01", "02":
		c.Kind = CodeGTIN
		return c, len(value) == 14 && gs1Check(value)
	case "21":
		c.Kind = CodeSerial
		return c, len(value) <= 20
	case "240", "241":
		c.Kind = CodePart
		return c, len(value) <= 30
	case "30", "37":
		c.Kind = CodeQuantity
		return c, allDigits(value) && len(value) <= 8
	}
	return c, true
}

// gs1Check verifies the modulo-10 check digit (GS1 General Specifications §7.9).
func gs1Check(digits string) bool {
	if !allDigits(digits) {
		return false
	}
	sum := 0
	for i := range len(digits) {
		weight := 1
		if (len(digits)-1-i)%2 == 1 {
			weight = 3
		}
		sum += int(digits[i]-'0') * weight
	}
	return sum%10 == 0
}

func allDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
