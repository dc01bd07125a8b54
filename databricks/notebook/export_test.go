package notebook

// Replace is replace, for a test that is quicker than the cleaning.
var Replace = replace
