#!/usr/bin/env python3
"""Puts a policy.toml into a WebAssembly component as the custom section "chitin-manifest".

usage: add-manifest.py IN.wasm policy.toml OUT.wasm

For languages whose tools make no custom section of their own. A custom section is the byte 0, the length of what
follows, the length of the name, the name, and the content; lengths are LEB128. It may stand at the end of any component.
"""
import sys


def leb(number):
    out = bytearray()
    while True:
        byte, number = number & 0x7F, number >> 7
        out.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(out)


def read(path):
    with open(path, "rb") as file:
        return file.read()


if len(sys.argv) != 4:
    sys.exit("usage: add-manifest.py IN.wasm policy.toml OUT.wasm")
component, manifest = read(sys.argv[1]), read(sys.argv[2])
if component[:8] != b"\0asm\x0d\0\1\0":
    sys.exit(f"error: {sys.argv[1]} is not a WebAssembly component")
name = b"chitin-manifest"
section = leb(len(name)) + name + manifest
with open(sys.argv[3], "wb") as out:
    out.write(component + b"\0" + leb(len(section)) + section)
