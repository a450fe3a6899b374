#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs one campaign of the original, Debian's libmail-bulkmail-perl, for the tests
# that compare it with ours. Run it under timeout(1): it can wait for ever.
#
#   run_original.pl --conf FILE [--linger SECONDS] [--ignore-sigpipe] [NAME=VALUE]...
#
# It says on standard output what became of it, one "key: value" a line. Exit
# status: 0 the campaign returned success, 1 it returned failure, 2 it could not
# be made.
use strict;
use warnings;

my ($conf_file, $linger, @given);
while (@ARGV) {
	my $argument = shift;
	if ($argument eq '--conf') { $conf_file = shift }
	elsif ($argument eq '--linger') { $linger = shift }
	elsif ($argument eq '--ignore-sigpipe') { $SIG{PIPE} = 'IGNORE' }
	else { push @given, split(/=/, $argument, 2) }
}
die "no --conf\n" unless defined $conf_file;

# The conf file has to be known before the modules are loaded: server_class is read then.
require Mail::Bulkmail::Object;
Mail::Bulkmail::Object->import($conf_file);
require Mail::Bulkmail;

# The original sets a conf file's attributes in the order of a Perl hash, another in
# each process: Message before message_from_file takes the path for the text. So the same
# values are handed to the constructor, which keeps their order.
my @first = qw(Trusting ERRFILE BAD GOOD message_from_file headers_from_message);
my @last  = qw(Message);

sub ordered_attributes {
	my $conf = shift;
	my %place;
	@place{@first} = 1 .. @first;
	@place{@last}  = map { 1000 + $_ } 1 .. @last;
	return map { ($_, delete $conf->{$_}) }
		sort { ($place{$a} || 500) <=> ($place{$b} || 500) || $a cmp $b } keys %$conf;
}

my $conf = Mail::Bulkmail->read_conf_file;
my @attributes = ordered_attributes($conf->{'Mail::Bulkmail'} ||= {});
my $bulk = Mail::Bulkmail->new(@attributes, @given);
unless ($bulk) {
	print "made: 0\nerror: ", Mail::Bulkmail->error || '', "\nerrcode: ", Mail::Bulkmail->errcode || '', "\n";
	exit 2;
}

my $returned = $bulk->bulkmail ? 1 : 0;
$| = 1;
print "made: 1\nreturned: $returned\nerror: ", $bulk->error || '', "\nerrcode: ", $bulk->errcode || '', "\n";

# What a program does after its campaign: an alarm that was left behind ends it here.
my $end = time + ($linger || 0);
select(undef, undef, undef, 0.1) while time < $end;
exit($returned ? 0 : 1);
