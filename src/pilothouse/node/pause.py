"""The pause program: a static ELF of a few hundred bytes, assembled here, so that no compiler and no download is needed.

It is process 1 of every sandbox and promises three things: it holds the sandbox's namespaces, it reaps whatever is
orphaned to it, and it exits at once on SIGTERM or SIGINT. It blocks those signals and takes them with rt_sigtimedwait,
because the kernel drops unblocked default signals to process 1 of a namespace:

    rt_sigprocmask(SIG_BLOCK, {INT, TERM, CHLD})
    loop: signal = rt_sigtimedwait(set, NULL, NULL)
          signal < 0:       goto loop
          signal != CHLD:   exit_group(0)
          reap: while wait4(-1, NULL, WNOHANG, NULL) > 0: pass
          goto loop
"""

from __future__ import annotations

import struct

SIGNALS = 1 << (2 - 1) | 1 << (15 - 1) | 1 << (17 - 1)
"""SIGINT, SIGTERM, SIGCHLD as the kernel's 64-bit set."""

BASE = 0x400000
HEADERS = 64 + 56

ELF_MACHINES = {"amd64": 62, "arm64": 183}


def program(architecture: str) -> bytes:
    """The whole executable for `amd64` or `arm64`."""
    code = _amd64() if architecture == "amd64" else _arm64()
    size = HEADERS + len(code)
    identification = b"\x7fELF" + bytes((2, 1, 1, 0)) + bytes(8)
    header = struct.pack("<HHIQQQIHHHHHH", 2, ELF_MACHINES[architecture], 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    readable_executable = 5
    segment = struct.pack("<IIQQQQQQ", 1, readable_executable, 0, BASE, BASE, size, size, 0x1000)
    return identification + header + segment + code


def _amd64() -> bytes:
    """Registers: arguments rdi rsi rdx r10, number and result rax; the set lies at rsp."""
    begin = (
        b"\x68"
        + struct.pack("<I", SIGNALS)  # push set
        + b"\x31\xff"  # xor edi, edi            SIG_BLOCK
        + b"\x48\x89\xe6"  # mov rsi, rsp
        + b"\x31\xd2"  # xor edx, edx
        + b"\x41\xba\x08\x00\x00\x00"  # mov r10d, 8
        + b"\xb8\x0e\x00\x00\x00\x0f\x05"  # mov eax, 14; syscall   rt_sigprocmask
    )
    take = (
        b"\x48\x89\xe7"  # mov rdi, rsp
        + b"\x31\xf6"  # xor esi, esi
        + b"\x31\xd2"  # xor edx, edx
        + b"\x41\xba\x08\x00\x00\x00"  # mov r10d, 8
        + b"\xb8\x80\x00\x00\x00\x0f\x05"  # mov eax, 128; syscall  rt_sigtimedwait
        + b"\x85\xc0"  # test eax, eax
    )
    reap = (
        b"\x48\xc7\xc7\xff\xff\xff\xff"  # mov rdi, -1
        + b"\x31\xf6"  # xor esi, esi
        + b"\xba\x01\x00\x00\x00"  # mov edx, 1     WNOHANG
        + b"\x45\x31\xd2"  # xor r10d, r10d
        + b"\xb8\x3d\x00\x00\x00\x0f\x05"  # mov eax, 61; syscall   wait4
        + b"\x85\xc0"  # test eax, eax
    )
    leave = b"\x31\xff\xb8\xe7\x00\x00\x00\x0f\x05"  # xor edi, edi; mov eax, 231; syscall  exit_group
    compare = b"\x83\xf8\x11"  # cmp eax, 17
    retry = b"\x78" + struct.pack("<b", -(len(take) + 2))  # js take
    to_leave = b"\x75" + struct.pack("<b", len(reap) + 4)  # jne leave
    reap_again = b"\x7f" + struct.pack("<b", -(len(reap) + 2))  # jg reap
    back = len(take) + len(retry) + len(compare) + len(to_leave) + len(reap) + len(reap_again) + 2
    return begin + take + retry + compare + to_leave + reap + reap_again + b"\xeb" + struct.pack("<b", -back) + leave


def _arm64() -> bytes:
    """Registers: arguments x0 x1 x2 x3, number x8, result x0; the set lies at sp."""
    movz_x, movk_x_16 = 0xD2800000, 0xF2A00000
    words = [
        movz_x | (SIGNALS & 0xFFFF) << 5 | 9,  # mov x9, low half
        movk_x_16 | (SIGNALS >> 16) << 5 | 9,  # movk x9, high half, lsl 16
        0xF81F0FE9,  # str x9, [sp, #-16]!
        movz_x | 0,  # mov x0, 0          SIG_BLOCK
        0x910003E1,  # mov x1, sp
        movz_x | 2,  # mov x2, 0
        movz_x | 8 << 5 | 3,  # mov x3, 8
        movz_x | 135 << 5 | 8,  # mov x8, 135        rt_sigprocmask
        0xD4000001,  # svc 0
        0x910003E0,  # take: mov x0, sp               (9)
        movz_x | 1,  # mov x1, 0
        movz_x | 2,  # mov x2, 0
        movz_x | 8 << 5 | 3,  # mov x3, 8
        movz_x | 137 << 5 | 8,  # mov x8, 137        rt_sigtimedwait
        0xD4000001,  # svc 0
        0xF100001F,  # cmp x0, 0
        _branch_if(0xB, 9 - 16),  # b.lt take                (16)
        0xF100441F,  # cmp x0, 17
        _branch_if(0x1, 28 - 18),  # b.ne leave               (18)
        0x92800000,  # reap: mov x0, -1               (19)
        movz_x | 1,  # mov x1, 0
        movz_x | 1 << 5 | 2,  # mov x2, 1          WNOHANG
        movz_x | 3,  # mov x3, 0
        movz_x | 260 << 5 | 8,  # mov x8, 260        wait4
        0xD4000001,  # svc 0
        0xF100001F,  # cmp x0, 0
        _branch_if(0xC, 19 - 26),  # b.gt reap                (26)
        0x14000000 | (9 - 27) & 0x3FFFFFF,  # b take     (27)
        movz_x | 0,  # leave: mov x0, 0               (28)
        movz_x | 94 << 5 | 8,  # mov x8, 94         exit_group
        0xD4000001,  # svc 0
    ]
    return struct.pack(f"<{len(words)}I", *words)


def _branch_if(condition: int, distance: int) -> int:
    return 0x54000000 | (distance & 0x7FFFF) << 5 | condition
