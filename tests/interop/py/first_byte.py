"""Times fresh connections until the server's first byte: first_byte.py HOST PORT COUNT HELLO (escapes allowed; may be empty)."""

import json
import socket
import statistics
import sys
import time

host, port, count, hello = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
hello = hello.encode().decode("unicode_escape").encode("latin-1")
address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
took = []
for _ in range(count):
    start = time.perf_counter()
    with socket.create_connection(address, timeout=60) as connection:
        if hello:
            connection.sendall(hello)
        if not connection.recv(1):
            sys.exit("the connection was closed without a word")
        took.append((time.perf_counter() - start) * 1000)
print(json.dumps({"least_ms": min(took), "median_ms": statistics.median(took)}))
