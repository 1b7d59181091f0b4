package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

const echoBytes = 1 << 20
const streamCount = 50

// dial connects and reports every check as a line of JSON; a failed check doesn't stop the others.
func dial(h host.Host, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	remote, err := connect(ctx, h, address)
	check("connect", nil, err)
	if err != nil {
		return err
	}
	checkIdentify(ctx, h, remote)
	checkPing(ctx, h, remote)
	_, err = h.NewStream(ctx, remote, "/dchat/interop/absent/1")
	if err == nil {
		check("unknown", nil, errors.New("an unknown protocol was accepted"))
	} else {
		check("unknown", err.Error(), nil)
	}
	check("echo", nil, echo(ctx, h, remote, echoBytes))
	check("streams", nil, manyStreams(ctx, h, remote))
	check("reset", nil, reset(ctx, h, remote))
	return nil
}

func check(name string, detail any, err error) {
	line := map[string]any{"check": name, "ok": err == nil, "detail": detail}
	if err != nil {
		line["detail"] = err.Error()
	}
	report(line)
}

func checkIdentify(ctx context.Context, h host.Host, remote peer.ID) {
	connections := h.Network().ConnsToPeer(remote)
	if len(connections) == 0 {
		check("identify", nil, errors.New("no connection"))
		return
	}
	if service, ok := h.(interface{ IDService() identify.IDService }); ok {
		select {
		case <-service.IDService().IdentifyWait(connections[0]):
		case <-ctx.Done():
		}
	}
	agent, err := h.Peerstore().Get(remote, "AgentVersion")
	protocols, protocolsErr := h.Peerstore().GetProtocols(remote)
	addresses := []string{}
	for _, address := range h.Peerstore().Addrs(remote) {
		addresses = append(addresses, address.String())
	}
	check("identify", map[string]any{
		"agent": agent, "protocols": protocols, "addresses": addresses,
		"early": connections[0].ConnState().UsedEarlyMuxerNegotiation,
		"local": connections[0].LocalMultiaddr().String(),
	}, errors.Join(err, protocolsErr))
}

func checkPing(ctx context.Context, h host.Host, remote peer.ID) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := ping.Ping(ctx, h, remote)
	for range 3 {
		if result := <-results; result.Error != nil {
			check("ping", nil, result.Error)
			return
		}
	}
	check("ping", nil, nil)
}

func open(ctx context.Context, h host.Host, remote peer.ID) (network.Stream, error) {
	return h.NewStream(ctx, remote, echoProtocol)
}

// echo writes while it reads, half-closes, and wants back what it wrote and then the end.
func echo(ctx context.Context, h host.Host, remote peer.ID, length int) error {
	stream, err := open(ctx, h, remote)
	if err != nil {
		return err
	}
	sent := make([]byte, length)
	if _, err := rand.Read(sent); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		_, err := stream.Write(sent)
		written <- errors.Join(err, stream.CloseWrite())
	}()
	got, err := io.ReadAll(stream)
	if err := errors.Join(err, <-written); err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("sent %d bytes, got %d others back", len(sent), len(got))
	}
	return stream.Close()
}

func manyStreams(ctx context.Context, h host.Host, remote peer.ID) error {
	var group sync.WaitGroup
	failures := make(chan error, streamCount)
	for range streamCount {
		group.Go(func() { failures <- echo(ctx, h, remote, 10_000) })
	}
	group.Wait()
	close(failures)
	var all error
	for err := range failures {
		all = errors.Join(all, err)
	}
	return all
}

// reset cuts a stream in the middle and then wants the connection to carry another one.
func reset(ctx context.Context, h host.Host, remote peer.ID) error {
	stream, err := open(ctx, h, remote)
	if err != nil {
		return err
	}
	if _, err := stream.Write([]byte("half a")); err != nil {
		return err
	}
	if err := stream.Reset(); err != nil {
		return err
	}
	return echo(ctx, h, remote, 100)
}
