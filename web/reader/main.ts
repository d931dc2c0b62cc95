import { start } from '../shared/start'
import Reader from './Reader.vue'

start(Reader, 'title_reader')
