/** The entry of the page: starts the session and mounts the application. */

import { render } from 'preact';
import { App } from './app.tsx';
import './look/base.css';
import './look/controls.css';
import './look/shell.css';
import { listenForKeys } from './state/keys.ts';
import { startSession } from './state/session.ts';

const root = document.getElementById('page');
if (root === null) throw new Error('index.html lacks #page');
listenForKeys();
void startSession();
render(<App />, root);
