import { ref, shallowRef } from 'vue'
import { Refused, api } from '../api/client'
import type { Role, Session } from '../api/types'

/** Who is signed in, and what must stay known when the server cannot be reached: the county's telephone number. */
const STORE = 'ecgnet.session'
const PHONE = 'ecgnet.county-phone'
/** What names patients on this device, and must go with the person who signs out. */
const PERSONAL = ['ecgnet.exams']

export const session = shallowRef<Session | null>(null)
export const signedOut = ref(false)

const keep = (key: string, value: string) => { try { localStorage.setItem(key, value) } catch { /* private window */ } }
const kept = (key: string): string | null => { try { return localStorage.getItem(key) } catch { return null } }

export const countyPhone = ref<string | null>(kept(PHONE))

/** Without the token, without a patient: enough to show a clinic its own name while the line is cut. */
function remember(now: Session) {
  session.value = now
  countyPhone.value = now.county.phone || countyPhone.value
  if (now.county.phone) keep(PHONE, now.county.phone)
  keep(STORE, JSON.stringify(now))
}
export function recall(): Session | null {
  try { return JSON.parse(kept(STORE) ?? 'null') as Session | null } catch { return null }
}
export function forget() {
  session.value = null
  try { for (const key of [STORE, ...PERSONAL]) localStorage.removeItem(key) } catch { /* nothing kept */ }
}

export const homeOf = (role: Role): string | null => ({ clinic: '/clinic/', cardiologist: '/reader/', coordinator: '/board/', administrator: null })[role]
export const toSignIn = () => { location.assign(`/?next=${encodeURIComponent(location.pathname)}`) }

/** Loads the session; a page that may not be here goes away. Offline, the last known session stands in. */
export async function loadSession(roles: readonly Role[]): Promise<Session | null> {
  try {
    const now = await api.session()
    remember(now)
    if (!roles.includes(now.person.role)) { location.replace(homeOf(now.person.role) ?? '/'); return null }
    return now
  } catch (error) {
    if (error instanceof Refused && error.status === 401) { forget(); toSignIn(); return null }
    session.value = recall()
    return session.value
  }
}
export async function refreshSession(): Promise<Session> {
  const now = await api.session()
  remember(now)
  return now
}
export async function leave() {
  try { await api.signOut() } catch { /* the cookie dies with its expiry; this page leaves anyway */ }
  forget()
  location.assign('/')
}
