// What never becomes a request: bytes that are not HTTP, addresses that cannot be decoded. Answered in the contract's shape too.

import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PlatformError } from './errors.ts';

const REASONS: Record<string, { status: number; phrase: string; message: string }> = {
  HPE_HEADER_OVERFLOW: { status: 431, phrase: 'Request Header Fields Too Large', message: 'the headers are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, phrase: 'Request Timeout', message: 'the request did not arrive in time' },
};

/** The connection cannot be used any further: what follows the fault has no beginning. */
export function answerMalformedHttp(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const { status, phrase, message } = REASONS[error.code ?? ''] ?? {
    status: 400,
    phrase: 'Bad Request',
    message: 'the request is not valid HTTP',
  };
  const body = JSON.stringify(new PlatformError('invalid_request', message).body());
  socket.write(
    `HTTP/1.1 ${status} ${phrase}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  socket.destroySoon();
}

export function answerMalformedAddress(_error: unknown, _request: FastifyRequest, reply: FastifyReply): void {
  const failure = new PlatformError('invalid_request', 'path: is not a valid address', { field: 'path' });
  reply.status(failure.status).send(failure.body());
}
