// One client of the official Go SDK. What it is to do comes in lines of JSON, and so goes what it is told.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

const patience = 30 * time.Second

// supply gives out one token after the other, the last of them again and again.
func supply(tokens []string, channel string) func() (string, error) {
	given := 0
	return func() (string, error) {
		event("token", channel, nil)
		token := tokens[min(given, len(tokens)-1)]
		given++
		return token, nil
	}
}

// recall gives one state after the other, the last of them again and again.
func recall(states []position, channel string) func(centrifuge.SubscriptionGetStateEvent) (centrifuge.StreamPosition, error) {
	given := 0
	return func(centrifuge.SubscriptionGetStateEvent) (centrifuge.StreamPosition, error) {
		event("state", channel, nil)
		state := states[min(given, len(states)-1)]
		given++
		return centrifuge.StreamPosition(state), nil
	}
}

func main() {
	var set settings
	if err := json.Unmarshal([]byte(os.Args[1]), &set); err != nil {
		panic(err)
	}
	client := connectable(set)
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	for input.Scan() {
		var asked command
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			panic(err)
		}
		result, err := carryOut(client, asked)
		if err != nil {
			say(line{"id": asked.ID, "error": failure(err)})
		} else {
			say(line{"id": asked.ID, "result": result})
		}
	}
}

func connectable(set settings) *centrifuge.Client {
	config := centrifuge.Config{
		Token:              set.Token,
		ReadTimeout:        patience,
		WriteTimeout:       patience,
		HandshakeTimeout:   patience,
		MaxServerPingDelay: patience,
		MinReconnectDelay:  10 * time.Millisecond,
		MaxReconnectDelay:  100 * time.Millisecond,
		// The SDK does not say that it has applied a patch, or went by a number; its trace shows what came.
		LogLevel: centrifuge.LogLevelTrace,
		LogHandler: func(entry centrifuge.LogEntry) {
			if strings.Contains(entry.Fields["push"], `"delta":true`) {
				say(line{"event": "patch"})
			}
			if strings.HasPrefix(entry.Fields["push"], `{"id":`) {
				say(line{"event": "numbered"})
			}
		},
	}
	if len(set.Tokens) > 0 {
		get := supply(set.Tokens, "")
		config.GetToken = func(centrifuge.ConnectionTokenEvent) (string, error) { return get() }
	}
	var client *centrifuge.Client
	if set.Encoding == "protobuf" {
		client = centrifuge.NewProtobufClient(set.URL, config)
	} else {
		client = centrifuge.NewJsonClient(set.URL, config)
	}
	client.OnConnecting(func(e centrifuge.ConnectingEvent) { event("connecting", "", change(e.Code, e.Reason)) })
	client.OnConnected(func(e centrifuge.ConnectedEvent) {
		event("connected", "", line{"client": e.ClientID, "data": raw(e.Data)})
	})
	client.OnDisconnected(func(e centrifuge.DisconnectedEvent) { event("disconnected", "", change(e.Code, e.Reason)) })
	client.OnError(func(e centrifuge.ErrorEvent) { event("error", "", failure(e.Error)) })
	client.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) {
		event("server subscribed", e.Channel, line{
			"recoverable": e.Recoverable, "positioned": e.Positioned,
			"wasRecovering": e.WasRecovering, "recovered": e.Recovered, "data": raw(e.Data),
		})
	})
	client.OnUnsubscribed(func(e centrifuge.ServerUnsubscribedEvent) { event("server unsubscribed", e.Channel, nil) })
	client.OnPublication(func(e centrifuge.ServerPublicationEvent) {
		event("server publication", e.Channel, publication(e.Publication))
	})
	client.OnJoin(func(e centrifuge.ServerJoinEvent) { event("server join", e.Channel, person(e.ClientInfo)) })
	client.OnLeave(func(e centrifuge.ServerLeaveEvent) { event("server leave", e.Channel, person(e.ClientInfo)) })
	return client
}

func subscribe(client *centrifuge.Client, asked command) error {
	config := centrifuge.SubscriptionConfig{
		Token:               asked.Token,
		Recoverable:         asked.Recoverable,
		Positioned:          asked.Positioned,
		JoinLeave:           asked.JoinLeave,
		MinResubscribeDelay: 10 * time.Millisecond,
		MaxResubscribeDelay: 100 * time.Millisecond,
	}
	if asked.Delta {
		config.Delta = centrifuge.DeltaTypeFossil
	}
	if asked.Tags != nil {
		var wanted []*centrifuge.FilterNode
		for key, value := range asked.Tags {
			wanted = append(wanted, centrifuge.FilterEq(key, value))
		}
		config.TagsFilter = centrifuge.FilterAnd(wanted...)
	}
	if len(asked.Tokens) > 0 {
		get := supply(asked.Tokens, asked.Channel)
		config.GetToken = func(centrifuge.SubscriptionTokenEvent) (string, error) { return get() }
	}
	if len(asked.States) > 0 {
		config.GetState = recall(asked.States, asked.Channel)
	}
	sub, err := client.NewSubscription(asked.Channel, config)
	if err != nil {
		return err
	}
	channel := asked.Channel
	sub.OnSubscribing(func(e centrifuge.SubscribingEvent) { event("subscribing", channel, change(e.Code, e.Reason)) })
	sub.OnSubscribed(func(e centrifuge.SubscribedEvent) {
		event("subscribed", channel, line{
			"recoverable": e.Recoverable, "positioned": e.Positioned,
			"wasRecovering": e.WasRecovering, "recovered": e.Recovered, "data": raw(e.Data),
		})
	})
	sub.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { event("unsubscribed", channel, change(e.Code, e.Reason)) })
	sub.OnPublication(func(e centrifuge.PublicationEvent) { event("publication", channel, publication(e.Publication)) })
	sub.OnJoin(func(e centrifuge.JoinEvent) { event("join", channel, person(e.ClientInfo)) })
	sub.OnLeave(func(e centrifuge.LeaveEvent) { event("leave", channel, person(e.ClientInfo)) })
	sub.OnError(func(e centrifuge.SubscriptionErrorEvent) { event("subscription error", channel, failure(e.Error)) })
	return sub.Subscribe()
}

func carryOut(client *centrifuge.Client, asked command) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch asked.Do {
	case "connect":
		return nil, client.Connect()
	case "disconnect":
		return nil, client.Disconnect()
	case "subscribe":
		return nil, subscribe(client, asked)
	case "unsubscribe":
		sub, found := client.GetSubscription(asked.Channel)
		if !found {
			return nil, errors.New("no such subscription")
		}
		return nil, sub.Unsubscribe()
	case "publish":
		_, err := client.Publish(ctx, asked.Channel, asked.Data)
		return nil, err
	case "history":
		return history(ctx, client, asked)
	case "presence":
		found, err := client.Presence(ctx, asked.Channel)
		members := line{}
		for name, info := range found.Clients {
			members[name] = person(info)
		}
		return members, err
	case "presenceStats":
		stats, err := client.PresenceStats(ctx, asked.Channel)
		return line{"clients": stats.NumClients, "users": stats.NumUsers}, err
	case "rpc":
		answer, err := client.RPC(ctx, asked.Method, asked.Data)
		return raw(answer.Data), err
	}
	return nil, errors.New("no such command: " + asked.Do)
}

func history(ctx context.Context, client *centrifuge.Client, asked command) (any, error) {
	options := []centrifuge.HistoryOption{
		centrifuge.WithHistoryLimit(asked.Limit),
		centrifuge.WithHistoryReverse(asked.Reverse),
	}
	if asked.Since != nil {
		since := centrifuge.StreamPosition(*asked.Since)
		options = append(options, centrifuge.WithHistorySince(&since))
	}
	page, err := client.History(ctx, asked.Channel, options...)
	publications := []line{}
	for _, pub := range page.Publications {
		publications = append(publications, publication(pub))
	}
	return line{"offset": page.Offset, "epoch": page.Epoch, "publications": publications}, err
}
