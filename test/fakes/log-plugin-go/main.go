// A Docker log plugin in Go, of the standard library alone: `log-plugin SOCKET OUT`. Entries go to `OUT/ID.log`, as
// log-plugin.ts writes them, with the fields source and text.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
)

type startRequest struct {
	File string
	Info struct{ ContainerID string }
}

type entry struct {
	Source string `json:"source"`
	Text   string `json:"text"`
}

func decode(message []byte) (found entry) {
	for len(message) > 0 {
		key, size := binary.Uvarint(message)
		message = message[size:]
		value, size := binary.Uvarint(message)
		message = message[size:]
		if key&7 != 2 {
			continue
		}
		switch key >> 3 {
		case 1:
			found.Source = string(message[:value])
		case 3:
			found.Text = string(message[:value])
		}
		message = message[value:]
	}
	return found
}

func follow(request startRequest, out string) {
	fifo, err := os.Open(request.File)
	if err != nil {
		return
	}
	defer fifo.Close()
	log, err := os.OpenFile(filepath.Join(out, request.Info.ContainerID+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer log.Close()
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(fifo, head); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(fifo, message); err != nil {
			return
		}
		line, _ := json.Marshal(decode(message))
		log.Write(append(line, '\n'))
	}
}

// By hand, since net/http takes a minute to compile where there is no cache.
func serve(connection net.Conn, out string) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		var method string
		length := 0
		if _, err := fmt.Fscanf(reader, "POST %s HTTP/1.1\r\n", &method); err != nil {
			return
		}
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Sscanf(strings.ToLower(line), "content-length: %d", &length)
			if line == "\r\n" {
				break
			}
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(reader, body); err != nil {
			return
		}
		answer := `{"Err":""}`
		switch method {
		case "/Plugin.Activate":
			answer = `{"Implements":["LogDriver"]}`
		case "/LogDriver.StartLogging":
			var request startRequest
			if err := json.Unmarshal(body, &request); err != nil {
				answer = `{"Err":"no request"}`
			} else {
				go follow(request, out)
			}
		}
		fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

func main() {
	socket, out := os.Args[1], os.Args[2]
	os.MkdirAll(out, 0o755)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go serve(connection, out)
	}
}
