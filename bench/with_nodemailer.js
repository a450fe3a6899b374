// SPDX-License-Identifier: MIT
// A sender on nodemailer's pool; options as those of the programs in C. NODE_PATH says where nodemailer is.
'use strict';

const { parseArgs } = require('node:util');
const nodemailer = require('nodemailer');

const LINE = 'the quick brown fox jumps over the lazy dog, and the dog does not mind it\r\n';

const names = ['server', 'messages', 'connections', 'recipients', 'size'];
const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
const [host, port] = values.server.split(':');
const [messages, connections, recipients, size] = names.slice(1).map((name) => Number(values[name]));
const body = LINE.repeat(Math.floor(size / LINE.length) + 1);

const transport = nodemailer.createTransport({
	pool: true, maxConnections: connections, maxMessages: Infinity, host, port: Number(port),
	secure: false, ignoreTLS: true, name: 'client.example.com',
});

const eight = (number) => String(number).padStart(8, '0');
const address = (number) => `user${eight(number)}@example.net`;

let next = 0;
let done = 0;

function onSent(error) {
	if (error) {
		console.error(error.message);
		process.exit(1);
	}
	done++;
	if (done === messages)
		transport.close();
}

function send(number) {
	const to = Array.from({ length: recipients }, (_, i) => address(number * recipients + i));
	transport.sendMail({
		envelope: { from: 'bounce@list.example.com', to }, from: 'List <list@example.com>', to: address(number),
		subject: `News for reader ${eight(number)}`, text: `Dear reader ${eight(number)},\r\n${body}`,
	}, onSent);
}

function feed() {
	while (next < messages && transport.isIdle())
		send(next++);
}

transport.on('idle', feed);
feed();
