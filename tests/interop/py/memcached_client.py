"""Speaks memcached's protocols on bare sockets: memcached_client.py HOST. Prints the steps that went well."""

import socket
import struct
import sys

done = []


def connect():
    connection = socket.create_connection((sys.argv[1], 11211), timeout=60)
    return connection, connection.makefile("rb")


connection, answers = connect()
connection.sendall(b"set greeting 7 0 5\r\nhello\r\n")
assert answers.readline() == b"STORED\r\n"
connection.sendall(b"get greeting\r\n")
assert [answers.readline() for _ in range(3)] == [b"VALUE greeting 7 5\r\n", b"hello\r\n", b"END\r\n"]
done.append("text")

count = 2000
connection.sendall(b"".join(b"set k%d 0 0 3\r\nabc\r\n" % n for n in range(count)))
assert all(answers.readline() == b"STORED\r\n" for _ in range(count))
done.append("pipeline")

big = bytes(n % 251 for n in range(1_000_000))
connection.sendall(b"set big 0 0 %d\r\n%s\r\n" % (len(big), big))
assert answers.readline() == b"STORED\r\n"
connection.sendall(b"get big\r\n")
assert answers.readline() == b"VALUE big 0 1000000\r\n"
assert answers.read(len(big) + 7) == big + b"\r\nEND\r\n"
done.append("1,000,000 bytes")

connection.sendall(b"mn\r\nmg greeting v\r\n")
assert [answers.readline() for _ in range(3)] == [b"MN\r\n", b"VA 5\r\n", b"hello\r\n"]
done.append("meta commands")

binary, replies = connect()
get = struct.pack("!BBHBBHIIQ", 0x80, 0x00, 8, 0, 0, 0, 8, 42, 0) + b"greeting"
binary.sendall(get)
magic, opcode, _, _, _, status, length, opaque, _ = struct.unpack("!BBHBBHIIQ", replies.read(24))
assert (magic, opcode, status, opaque) == (0x81, 0, 0, 42)
assert replies.read(length)[4:] == b"hello"
done.append("binary protocol")

# The server closes: its end is passed on.
connection.sendall(b"quit\r\n")
assert answers.read() == b""
done.append("quit")
print(", ".join(done))
