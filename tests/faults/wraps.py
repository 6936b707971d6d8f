# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What can fail, and how: of all that the libraries of src/ call and do not define, the functions of
the table. Writes a C source with a stub for each, and the linker's options that put it in between.

wraps.py SOURCE OPTIONS ARCHIVE...
"""

import re
import subprocess
import sys

# Calls that are not let fail: an expression that is found in the name, and why.
NEVER = [
    (r"_free$|_free_all$|_pop_free$|_cleanup$|_clear_free$|^BIO_free|^CRYPTO_free$|^json_delete$",
     "it frees"),
    (r"^Esys_F(ree|in)|^jose_(cfg_auto|cfg_decref|io_auto)$", "it frees"),
    (r"^EVP_sha|_construct_|^json_(false|null)$", "it names a constant, or fills a structure"),
    (r"_up_ref$|_callback$|_set_flags$|^json_set_alloc_funcs$|^jose_cfg_set_err_func$",
     "it sets a number or a pointer"),
    (r"SSL_CTX_set_(options|security_level|verify)$", "it sets a number or a pointer"),
    (r"^crypt_(token_external_disable|metadata_locking)", "it sets a number or a pointer"),
    (r"^BN_bn2bin$", "the caller gives it the room that it needs"),
    (r"_get0|_get_(bits|word|data|X509_PUBKEY)$|_get_(ex_data|error|current|ext)|_SSL_CTX$",
     "it looks at what is there"),
    (r"_is_a$|_num$|_value$|_time$|cmp$|^CRYPTO_memcmp$|^ASN1_(OBJECT|STRING)",
     "it looks at what is there"),
    (r"^OPENSSL_sk_(num|value)|^json_(array_(get|size)|object_(get|iter\w*|key_to_iter|size))$",
     "it looks at what is there"),
    (r"^json_((string|integer)_value|string_length|get_alloc_funcs)$", "it looks at what is there"),
    (r"_error_string$|_string_long$", "it has a text for each number"),
]

# The first expression that matches a name tells the kinds of failure, as its manual names them:
# what it returns, and errno. The kinds "short" (half of what was asked for), "allocation" (of
# jansson's own, within the call) and "sentence" (fail() is only watched) are done in fault.c.
NO_MEMORY = ("0", "ENOMEM")
TABLE = [
    (r"(m|c|re)alloc|reallocarray|aligned_alloc|strn?dup|opendir|realpath|__realpath_chk",
     [NO_MEMORY]),
    (r"asprintf|__v?asprintf_chk|vasprintf", [("-1", "ENOMEM")]),
    (r"(p?read|recv)(64)?|__(p?read|recv)(64)?_chk", [("-1", "EIO"), ("-1", "EINTR"), "short"]),
    (r"(p?write|send|sendto)(64)?", [("-1", "EIO"), ("-1", "ENOSPC"), ("-1", "EINTR"), "short"]),
    (r"(__)?open(at)?(64)?(_2)?", [("-1", "EMFILE"), ("-1", "EIO"), ("-1", "ENOMEM")]),
    (r"mkostemp64|memfd_create|socket|inotify_init1", [("-1", "EMFILE"), ("-1", "ENOMEM")]),
    (r"fsync|fdatasync", [("-1", "EIO"), ("-1", "ENOSPC")]),
    (r"fstat64|stat64|flock|fchmod|connect|poll|ioctl", [("-1", "ENOMEM"), ("-1", "EIO")]),
    (r"ftruncate64|fallocate64|rename|mkdir|mkdirat", [("-1", "ENOSPC"), ("-1", "EIO")]),
    (r"mmap64", [("-1", "ENOMEM")]),
    (r"mlock|madvise", [("-1", "ENOMEM"), ("-1", "EAGAIN")]),
    (r"getrandom", [("-1", "EINTR"), ("-1", "ENOSYS")]),
    (r"pthread_create", [("EAGAIN", "0")]),
    (r"json_.*", ["allocation"]),
    (r"Esys_.*", [("TSS2_ESYS_RC_MEMORY", "0"), ("TPM2_RC_FAILURE", "0"),
                  ("TSS2_TCTI_RC_IO_ERROR", "0")]),
    (r"Tss2_MU_.*", [("TSS2_MU_RC_INSUFFICIENT_BUFFER", "0")]),
    (r"BN_bn2binpad|X509_verify_cert|i2d_.*|CRYPTO_get_ex_new_index|EVP_DigestVerify",
     [("-1", "0")]),
    (r"(EVP|HMAC|X509|PEM|d2i|BIO|BN|SSL_CTX|OSSL_PARAM|ECDSA|OPENSSL|OBJ|jose)(_.*)?",
     [("0", "0")]),
    (r"curl_easy_setopt|curl_multi_(add_handle|perform|poll|setopt)", [("CURLE_NO_MEMORY", "0")]),
    (r"curl_(global_init)", [("2", "0")]),
    (r"curl_url_(get|set)", [("CURLUE_OUT_OF_MEMORY", "0")]),
    (r"curl_(easy_init|multi_init|slist_append|url)", [("0", "0")]),
    (r"crypt_.*", [("-ENOMEM", "0"), ("-EIO", "0")]),
    (r"blkid_(new_probe|probe_get_partitions)", [NO_MEMORY]),
    (r"blkid_(do_safeprobe|probe_set_\w+|probe_enable_\w+)", [("-1", "EIO")]),
    (r"ext2fs_(open2|read_block_bitmap|check_desc)", [("EXT2_ET_NO_MEMORY", "0")]),
    (r"munmap|fail", ["watch"]),
]

HEAD = """/* Made by wraps.py. */
#include "fault.h"

#include <curl/curl.h>
#include <ext2fs/ext2fs.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

/* curl_easy_setopt() and curl_multi_...() have numbers of their own. */
#define CURLE_NO_MEMORY CURLE_OUT_OF_MEMORY

"""
STUB = """__asm__(".text\\n.globl __wrap_{name}\\n.type __wrap_{name},@function\\n"
	"__wrap_{name}: endbr64\\n"
	"pushq ${number}\\npushq __real_{name}@GOTPCREL(%rip)\\njmp fault_gate\\n");
"""


def undefined(archives):
    """Names that the archives need and do not have, and fail(), which is watched."""
    lines = subprocess.run(["nm", "-P", *archives], check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
    words = [line.split() for line in lines]
    wanted = {word[0] for word in words if len(word) >= 2 and word[1] == "U"}
    defined = {word[0] for word in words if len(word) > 2 and word[1] in "TDBRVW"}
    return sorted((wanted - defined) | {"fail"})


def kinds_of(name):
    """The row of the table, or nothing."""
    for expression, kinds in TABLE:
        if re.fullmatch(expression, name) and not any(re.search(word, name) for word, _ in NEVER):
            return kinds
    return None


def kind_row(kind):
    """An initializer of struct fault_kind."""
    if isinstance(kind, str):
        return f"{{.how = FAULT_{kind.upper()}}}"
    value, error = kind
    return f"{{.how = FAULT_RETURN, .value = (long)({value}), .error = {error}}}"


def main():
    source, options, *archives = sys.argv[1:]
    functions = [(name, kinds_of(name)) for name in undefined(archives)]
    functions = [(name, kinds) for name, kinds in functions if kinds]
    with open(source, "w", encoding="utf-8") as file:
        file.write(HEAD)
        for number, (name, kinds) in enumerate(functions):
            file.write(STUB.format(name=name, number=number))
        file.write("const struct fault_function fault_functions[] = {\n")
        for name, kinds in functions:
            rows = ", ".join(kind_row(kind) for kind in kinds)
            file.write(f'\t{{"{name}", {{{rows}}}, {len(kinds)}}},\n')
        file.write("};\nconst size_t fault_functions_count = ARRAY_SIZE(fault_functions);\n")
    with open(options, "w", encoding="utf-8") as file:
        file.writelines(f"--wrap={name}\n" for name, _ in functions)


if __name__ == "__main__":
    main()
