"""Asks a gRPC server for its health: grpc_ready.py HOST."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

with grpc.insecure_channel(f"{sys.argv[1]}:50051") as channel:
    request = health_pb2.HealthCheckRequest(service="interop.Echo")
    answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=30, wait_for_ready=True)
    sys.exit(answer.status != health_pb2.HealthCheckResponse.SERVING)
