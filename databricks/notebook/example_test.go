package notebook_test

import (
	"context"
	"fmt"
	"log"

	"github.com/lakekey/lakekey/databricks/notebook"
)

func ExampleScanner_Clean() {
	data := []byte(`{"cells": [{"cell_type": "code", "outputs": [{"name": "stdout", "output_type": "stream",
  "text": ["token: ` + pat() + `\n"]}], "source": ["print(token)"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}`)
	cleaned, removed, left, err := notebook.NewScanner().Clean(context.Background(), data, notebook.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(cleaned))
	for _, f := range removed {
		fmt.Printf("line %d: %s in the %s of cell %d\n", f.Line, f.Kind, f.Area, f.Cell)
	}
	fmt.Println(len(left), "left")
	// Output:
	// {"cells": [{"cell_type": "code", "outputs": [{"name": "stdout", "output_type": "stream",
	//   "text": ["token: [removed: databricks-token]\n"]}], "source": ["print(token)"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
	// line 2: databricks-token in the output of cell 1
	// 0 left
}
