package fido

// COSEAlgorithm reads the algorithm of a COSE_Key.
var COSEAlgorithm = coseAlgorithm
