package hop

import "waybill/schemas"

// The words of reasons, kinds and classes are looked up for every row, so they
// are made once.
var (
	reasonWords = wordsOf(schemas.Reason_name, func(n int32) string { return schemas.Reason(n).Word() })
	kindWords   = wordsOf(schemas.Kind_name, func(n int32) string { return schemas.Kind(n).Word() })
	classWords  = wordsOf(schemas.Class_name, func(n int32) string { return schemas.Class(n).Word() })
)

func wordsOf(names map[int32]string, word func(int32) string) map[int32]string {
	words := make(map[int32]string, len(names))
	for n := range names {
		words[n] = word(n)
	}
	return words
}

// reasonWord is empty for no reason.
func reasonWord(x schemas.Reason) string {
	if x == schemas.Reason_REASON_NONE {
		return ""
	}
	if w, known := reasonWords[int32(x)]; known {
		return w
	}
	return x.Word()
}

func kindWord(x schemas.Kind) string { return kindWords[int32(x)] }

// classWord of an outcome; none is an empty word.
func classWord(x schemas.Class) string {
	if x == schemas.Class_CLASS_UNSPECIFIED {
		return ""
	}
	return classWords[int32(x)]
}
