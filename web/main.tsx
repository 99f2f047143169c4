/** Puts the Monitor on the page. */
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { startLiveChain } from './live-chain.ts'
import { applyTheme, loadTheme } from './preferences.ts'
import './styles.css'

applyTheme(loadTheme())
const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(<App live={startLiveChain()} />)
