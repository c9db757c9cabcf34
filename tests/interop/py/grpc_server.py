"""A gRPC server whose messages are bare bytes: every kind of call, health, and the ways in which a call can end."""

import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

cancelled = threading.Semaphore(0)


def unary(message, context):
    asked = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-echo", asked.get("x-ask", "")), ("x-bytes-bin", asked.get("x-bytes-bin", b""))))
    context.set_trailing_metadata((("x-size", str(len(message))),))
    return message


def count(message, _context):
    for number in range(int(message)):
        yield str(number).encode()


def total(messages, _context):
    return str(sum(int(message) for message in messages)).encode()


def chat(messages, _context):
    for message in messages:
        yield message.upper()


def fail(message, context):
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.QuotaFailure(violations=[{"subject": "shop", "description": message.decode()}]))
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="too much: 世界", details=[detail])
    context.abort_with_status(rpc_status.to_status(status))


def refuse(_message, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")


def wait(_message, context):
    """Streams one word, then waits for the call's end, which can only be the client's doing."""
    ended = threading.Event()
    context.add_callback(ended.set)
    context.add_callback(cancelled.release)
    yield b"waiting"
    ended.wait()


def cancellations(_message, _context):
    """Answers once a call of `wait` has ended."""
    return b"seen" if cancelled.acquire(timeout=60) else b"not seen"


def give_up(_message, context):
    context.cancel()
    return b""


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Wait": grpc.unary_stream_rpc_method_handler(wait),
    "Cancellations": grpc.unary_unary_rpc_method_handler(cancellations),
    "GiveUp": grpc.unary_unary_rpc_method_handler(give_up),
    "Secret": grpc.unary_unary_rpc_method_handler(unary),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("interop.Echo", METHODS),))
states = health.HealthServicer()
states.set("interop.Echo", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(states, server)
server.add_insecure_port("0.0.0.0:50051")
server.start()
server.wait_for_termination()
