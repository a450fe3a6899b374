/* SPDX-License-Identifier: MIT */
int bm_sink_placeholder(void);
int bm_sink_placeholder(void)
{
	return 0;
}
