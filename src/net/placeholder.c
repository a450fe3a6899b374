/* SPDX-License-Identifier: MIT */
int bm_net_placeholder(void);
int bm_net_placeholder(void)
{
	return 0;
}
