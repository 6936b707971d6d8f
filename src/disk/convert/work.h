/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_DISK_CONVERT_WORK_H
#define CVMROOT_DISK_CONVERT_WORK_H

#include "disk/convert/record.h"

/*
 * Move every chunk below record->next_chunk to its new place, batch by batch, with a progress
 * record after each; *@record is left as last written. The first batch may have been done before
 * (see convert.c): a chunk whose old place no longer holds it is looked for at its new place.
 * Everything but the last record is durable on return.
 */
int convert_work(const struct conversion *conversion, const struct convert_options *options,
		 struct convert_record *record);

/* Write @record, with the next sequence number, to its slot. Not flushed. */
int convert_work_record(const struct conversion *conversion, struct convert_record *record);

#endif
