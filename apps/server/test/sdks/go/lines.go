package main

import (
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/centrifugal/centrifuge-go"
)

type line map[string]any

type settings struct {
	URL      string   `json:"url"`
	Encoding string   `json:"encoding"`
	Token    string   `json:"token"`
	Tokens   []string `json:"tokens"`
}

type position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

type command struct {
	ID          int               `json:"id"`
	Do          string            `json:"do"`
	Channel     string            `json:"channel"`
	Method      string            `json:"method"`
	Data        json.RawMessage   `json:"data"`
	Token       string            `json:"token"`
	Tokens      []string          `json:"tokens"`
	Recoverable bool              `json:"recoverable"`
	Positioned  bool              `json:"positioned"`
	JoinLeave   bool              `json:"joinLeave"`
	Delta       bool              `json:"delta"`
	Tags        map[string]string `json:"tags"`
	Limit       int32             `json:"limit"`
	Reverse     bool              `json:"reverse"`
	Since       *position         `json:"since"`
	States      []position        `json:"states"`
}

var saying sync.Mutex

func say(said line) {
	text, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	saying.Lock()
	defer saying.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// raw is data as it is, or null.
func raw(data []byte) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	return data
}

func person(info centrifuge.ClientInfo) line {
	return line{"user": info.User, "info": raw(info.ConnInfo)}
}

func publication(pub centrifuge.Publication) line {
	tags := pub.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	told := line{"data": raw(pub.Data), "offset": pub.Offset, "tags": tags, "from": nil}
	if pub.Info != nil {
		told["from"] = person(*pub.Info)
	}
	return told
}

func failure(err error) line {
	var refusal *centrifuge.Error
	if errors.As(err, &refusal) {
		return line{"code": refusal.Code, "message": refusal.Message}
	}
	return line{"code": 0, "message": err.Error()}
}

func event(name string, channel string, more line) {
	said := line{"event": name}
	if channel != "" {
		said["channel"] = channel
	}
	for key, value := range more {
		said[key] = value
	}
	say(said)
}

func change(code uint32, reason string) line {
	return line{"code": code, "reason": reason}
}
