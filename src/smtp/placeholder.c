/* SPDX-License-Identifier: MIT */
int bm_smtp_placeholder(void);
int bm_smtp_placeholder(void)
{
	return 0;
}
