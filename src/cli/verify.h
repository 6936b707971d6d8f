/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CLI_VERIFY_H
#define CVMROOT_CLI_VERIFY_H

#include "cli/verbs.h"

/*
 * "cvmroot verify" is for people far from the machine, so no initrd should carry it: it is in a
 * program of its own. There verify_run() does the work (verifier.c); here it runs that program
 * (run_verifier.c).
 */
#define VERIFIER_SUFFIX "-verify"
int verify_run(int argc, char **argv);

#endif
