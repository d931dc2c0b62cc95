import { start } from '../shared/start'
import SignIn from './SignIn.vue'

start(SignIn, 'brand')
