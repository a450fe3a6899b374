/* SPDX-License-Identifier: MIT */
#include "mail/date.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY 86400
#define LAST_SECOND 253402300799 /* of the year 9999 */

struct day {
	int year;
	int month; /* from 1 */
	int day;
};

/*
 * The proleptic Gregorian calendar in eras of 400 years, years beginning in March so that the leap day is their last.
 * days counts from 1970-01-01.
 */
static struct day civil(int64_t days)
{
	int64_t shifted = days + 719468; /* from 0000-03-01 */
	int64_t era = shifted / 146097;
	int64_t in_era = shifted - era * 146097;
	int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * in_year + 2) / 153;
	int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
	int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
	return (struct day){(int)year, (int)month, (int)(in_year - (153 * march_month + 2) / 5 + 1)};
}

enum bm_code bm_date_format(char out[BM_DATE_SIZE], uint64_t seconds, int offset)
{
	static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	if (seconds > LAST_SECOND || offset <= -1440 || offset >= 1440)
		return BM_E_USAGE;
	int64_t local = (int64_t)seconds + (int64_t)offset * 60;
	if (local > LAST_SECOND)
		return BM_E_USAGE;
	/* A day is added so that a western zone does not go below zero in 1970. */
	int64_t day = (local + DAY) / DAY - 1;
	int in_day = (int)(local - day * DAY);
	struct day date = civil(day);
	int zone = abs(offset);
	int size = snprintf(out, BM_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d %c%02d%02d", days[(day + 7) % 7], date.day,
		months[date.month - 1], date.year, in_day / 3600, in_day / 60 % 60, in_day % 60, offset < 0 ? '-' : '+',
		zone / 60, zone % 60);
	return size > 0 && size < BM_DATE_SIZE ? BM_OK : BM_E_USAGE;
}
