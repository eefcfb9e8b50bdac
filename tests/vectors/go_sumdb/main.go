// Command gosumdb holds a checkpoint of telemetry, with its records and proofs, against the implementation of the Go
// module database: golang.org/x/mod/sumdb/note and golang.org/x/mod/sumdb/tlog. It reads one JSON object from standard
// input, and ends with code 0 if everything holds, else with code 1 and the reason.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64    `json:"index"`
	Path  [][]byte `json:"path"`
}

type consistency struct {
	Size int64    `json:"size"`
	Note string   `json:"note"`
	Path [][]byte `json:"path"`
}

type input struct {
	Verifier string        `json:"verifier"`
	Note     string        `json:"note"`
	Records  [][]byte      `json:"records"`
	Included []inclusion   `json:"included"`
	Extends  []consistency `json:"extends"`
}

// storage keeps the hashes of a tree in memory, in the order that tlog stores them.
type storage []tlog.Hash

func (hashes storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for at, index := range indexes {
		if index >= int64(len(hashes)) {
			return nil, fmt.Errorf("no stored hash %d", index)
		}
		found[at] = hashes[index]
	}
	return found, nil
}

func main() {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fail("input", err)
	}
	if err := check(given); err != nil {
		fail("check", err)
	}
	fmt.Println("ok")
}

func check(given input) error {
	verifier, err := note.NewVerifier(given.Verifier)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	tree, err := open(given.Note, verifier)
	if err != nil {
		return err
	}
	hashes, err := store(given.Records)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	if root != tree.Hash {
		return fmt.Errorf("the records make the root %v, signed is %v", root, tree.Hash)
	}
	for _, proof := range given.Included {
		leaf := tlog.RecordHash(given.Records[proof.Index])
		if err := tlog.CheckRecord(tlog.RecordProof(hashesOf(proof.Path)), tree.N, tree.Hash, proof.Index, leaf); err != nil {
			return fmt.Errorf("inclusion of %d: %w", proof.Index, err)
		}
	}
	for _, proof := range given.Extends {
		older, err := open(proof.Note, verifier)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(tlog.TreeProof(hashesOf(proof.Path)), tree.N, tree.Hash, older.N, older.Hash); err != nil {
			return fmt.Errorf("consistency with %d: %w", older.N, err)
		}
	}
	return nil
}

// open verifies a checkpoint's signature and reads its tree. tlog expects the origin of the Go module database in the
// first line; ours is put aside for it.
func open(text string, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("note: %w", err)
	}
	_, rest, _ := strings.Cut(opened.Text, "\n")
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("tree head: %w", err)
	}
	return tree, nil
}

func store(records [][]byte) (storage, error) {
	var hashes storage
	for number, record := range records {
		more, err := tlog.StoredHashes(int64(number), record, hashes)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", number, err)
		}
		hashes = append(hashes, more...)
	}
	return hashes, nil
}

func hashesOf(path [][]byte) []tlog.Hash {
	hashes := make([]tlog.Hash, len(path))
	for at, node := range path {
		copy(hashes[at][:], node)
	}
	return hashes
}

func fail(step string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
	os.Exit(1)
}
