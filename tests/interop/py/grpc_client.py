"""Talks to grpc_server.py: grpc_client.py HOST. Prints the steps that went well."""

import os
import queue
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

PATIENCE = 60
# No environment variable may lead round the mesh.
channel = grpc.insecure_channel(f"{sys.argv[1]}:50051", options=[("grpc.enable_http_proxy", 0)])
done = []


def method(kind, name):
    return getattr(channel, kind)(f"/interop.Echo/{name}")


def failure(call):
    """The error that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call was to fail")


health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="interop.Echo"), timeout=PATIENCE)
assert health.status == health_pb2.HealthCheckResponse.SERVING
done.append("health")

unary = method("unary_unary", "Unary")
assert unary(b"hello", timeout=PATIENCE) == b"hello"
assert unary(b"", timeout=PATIENCE) == b""
done.append("unary")

raw = bytes(range(256))
answer, call = unary.with_call(b"12345", timeout=PATIENCE, metadata=(("x-ask", "why"), ("x-bytes-bin", raw)))
initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
assert (initial["x-echo"], initial["x-bytes-bin"], trailing["x-size"]) == ("why", raw, "5"), (initial, trailing)
done.append("metadata")

big = os.urandom(3_000_000)
assert unary(big, timeout=PATIENCE) == big
done.append("3 MB message")

stream = method("unary_stream", "Count")(b"5000", timeout=PATIENCE)
assert [int(message) for message in stream] == list(range(5000))
done.append("server streaming")

numbers = (str(number).encode() for number in range(5000))
assert method("stream_unary", "Total")(numbers, timeout=PATIENCE) == str(sum(range(5000))).encode()
done.append("client streaming")

chat = method("stream_stream", "Chat")
words, heard = ["one", "two", "three"] * 100, []
# Each word goes out after the answer to the last: both directions are open at the same time.
outgoing = queue.SimpleQueue()
answers = chat(iter(outgoing.get, None), timeout=PATIENCE)
for word in words:
    outgoing.put(word.encode())
    heard.append(next(answers))
outgoing.put(None)
assert heard == [word.upper().encode() for word in words] and next(answers, None) is None
done.append("bidirectional streaming")

calls = [unary.future(str(number).encode(), timeout=PATIENCE) for number in range(100)]
assert [call.result() for call in calls] == [str(number).encode() for number in range(100)]
done.append("100 calls at once")

error = failure(lambda: method("unary_unary", "Fail")(b"quota", timeout=PATIENCE))
status = rpc_status.from_call(error)
quota = error_details_pb2.QuotaFailure()
assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and error.details() == "too much: 世界"
assert status.details[0].Unpack(quota) and quota.violations[0].description == "quota"
done.append("status with details")

error = failure(lambda: method("unary_unary", "Refuse")(b"", timeout=PATIENCE))
assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not now")
done.append("trailers only")

error = failure(lambda: method("unary_unary", "Nowhere")(b"", timeout=PATIENCE))
assert error.code() == grpc.StatusCode.UNIMPLEMENTED
done.append("unimplemented")

cancellations = method("unary_unary", "Cancellations")
error = failure(lambda: list(method("unary_stream", "Wait")(b"", timeout=0.5)))
assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
assert cancellations(b"", timeout=PATIENCE) == b"seen"
done.append("deadline")

waiting = method("unary_stream", "Wait")(b"", timeout=PATIENCE)
assert next(waiting) == b"waiting"
waiting.cancel()
assert failure(lambda: next(waiting)).code() == grpc.StatusCode.CANCELLED
assert cancellations(b"", timeout=PATIENCE) == b"seen"
done.append("cancellation")

error = failure(lambda: method("unary_unary", "GiveUp")(b"", timeout=PATIENCE))
assert error.code() == grpc.StatusCode.CANCELLED
done.append("cancelled by the server")

text = b"again and again " * 100_000
assert unary(text, timeout=PATIENCE, compression=grpc.Compression.Gzip) == text
done.append("gzip")

error = failure(lambda: method("unary_unary", "Secret")(b"", timeout=PATIENCE))
assert error.code() == grpc.StatusCode.PERMISSION_DENIED, error
done.append("denied method")
print(", ".join(done))
