// Sends audit events to the gateway: one JSON object a line on standard input, in batches, until each is durable.
//
//	GATEWAY=https://gateway.example:4318 go run . < events.jsonl
//
// The exit code is 0 if all are durable, 1 if the gateway refused some for good, 75 if it was away for too long.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	batchSize = 100
	giveUp    = 10 * time.Minute
)

type answer struct {
	Events []struct {
		Status        int
		Level, Reason string
	}
}

func main() {
	client := client(os.Getenv("GATEWAY_CA"), os.Getenv("GATEWAY_CERTIFICATE"), os.Getenv("GATEWAY_KEY"))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	refused, batch := 0, [][]byte{}
	for more := true; more; {
		if more = lines.Scan(); more && len(bytes.TrimSpace(lines.Bytes())) > 0 {
			batch = append(batch, bytes.Clone(lines.Bytes()))
		}
		if len(batch) == batchSize || (!more && len(batch) > 0) {
			refused += deliver(client, batch)
			batch = nil
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	if refused > 0 {
		os.Exit(1)
	}
}

// deliver sends a batch until all of it is durable or refused for good, and returns how many events were refused.
// Every attempt has the same key, so that events which an earlier one has logged already are shown once.
func deliver(client *http.Client, batch [][]byte) int {
	body := append(append([]byte("["), bytes.Join(batch, []byte(","))...), ']')
	key := rand.Text()
	for pause, end := time.Second, time.Now().Add(giveUp); time.Now().Before(end); pause = min(2*pause, 30*time.Second) {
		request, _ := http.NewRequest("POST", os.Getenv("GATEWAY")+"/v1/events", bytes.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
		request.Header.Set("Prefer", "wait=durable")
		response, err := client.Do(request)
		if err != nil {
			log.Print("the gateway cannot be reached: ", err)
		} else if refused, done := judge(response, len(batch)); done {
			return refused
		} else if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			pause = max(pause, time.Duration(seconds)*time.Second)
		}
		jitter, _ := rand.Int(rand.Reader, big.NewInt(int64(pause)/2))
		time.Sleep(pause + time.Duration(jitter.Int64()))
	}
	fmt.Fprintf(os.Stderr, "%d events were not taken in %v\n", len(batch), giveUp)
	os.Exit(75)
	return 0
}

// judge returns how many events were refused for good, and whether nothing of the batch is to be sent again.
func judge(response *http.Response, size int) (refused int, done bool) {
	defer response.Body.Close()
	var said answer
	data, err := io.ReadAll(response.Body)
	switch code := response.StatusCode; {
	case err != nil, code == 429, code >= 500:
		return 0, false
	case code >= 400:
		log.Printf("%d events were refused: %s", size, data)
		return size, true
	case json.Unmarshal(data, &said) != nil:
		return 0, false
	}
	for _, event := range said.Events {
		switch {
		case event.Status == 429, event.Status >= 500, event.Status < 400 && event.Level == "accepted":
			return 0, false
		case event.Status >= 400:
			log.Printf("an event was refused: %s", event.Reason)
			refused++
		}
	}
	return refused, len(said.Events) == size
}

func client(authorities, certificate, key string) *http.Client {
	pem, err := os.ReadFile(authorities)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		log.Fatal(err)
	}
	settings := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: settings}}
}
