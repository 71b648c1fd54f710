# What supervises a service: binds the Unix datagram socket of its argument and prints each message of sd_notify(3) as one
# line of JSON, until stdin ends. Node has no such sockets. Closing the descriptor of a barrier lets its sender go on.
import json, os, select, socket, sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps(["listening"]), flush=True)
while True:
    readable, _, _ = select.select([receiver, sys.stdin], [], [])
    if sys.stdin in readable:
        break
    data, descriptors, _, _ = socket.recv_fds(receiver, 65536, 16)
    for descriptor in descriptors:
        os.close(descriptor)
    print(json.dumps(data.decode().splitlines()), flush=True)
