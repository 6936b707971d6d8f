/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "cli/verify.h"

#include <limits.h>
#include <string.h>

/* Where this program is, there is the other. */
static int find_verifier(char ret[static PATH_MAX])
{
	const size_t room = PATH_MAX - sizeof(VERIFIER_SUFFIX);
	ssize_t size = readlink("/proc/self/exe", ret, room);

	if (size < 0 || (size_t)size == room)
		return fail(size < 0 ? -errno : -ENAMETOOLONG, "cannot tell where cvmroot is");
	memcpy(ret + size, VERIFIER_SUFFIX, sizeof(VERIFIER_SUFFIX));
	return 0;
}

int verify_run(int argc, char **argv)
{
	cleanup(freep) char **arguments = calloc((size_t)argc + 2, sizeof(*arguments));
	char path[PATH_MAX];
	int r = arguments ? find_verifier(path) : -ENOMEM;

	if (r < 0)
		return r;
	arguments[0] = path;
	memcpy(arguments + 1, argv, (size_t)argc * sizeof(*argv));
	execv(path, arguments);
	return fail(-errno, "cannot run %s, which verifies evidence: %s", path, strerror(errno));
}
